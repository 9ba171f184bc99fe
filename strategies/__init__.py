"""Ways for N replicas to run each scheduled job once: one interface, five reference strategies.

`interface` has the protocols, `model` the values they speak of, `catalogue` the designs by name.
Each family (`lock`, `election`, `quartz`, `queue`) has one algorithm, one narrow port and thin
adapters; `controls` holds designs known to be wrong. Nothing here knows how it is measured.
"""
