"""Faults: values that are injected into processes, links and services, and healed."""
