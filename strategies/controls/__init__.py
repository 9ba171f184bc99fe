"""Designs known to be wrong. Each names the scenario that must break it, and by which column."""
