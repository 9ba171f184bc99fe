"""A clustered scheduler in SQL, after Quartz's JDBC job store.

`algorithm` is the design, `port` what it asks of a database, `postgres` and `memory` the two
adapters, `timing` its periods, `designs` what the catalogue lists.
"""
