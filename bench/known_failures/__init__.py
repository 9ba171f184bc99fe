"""Publicly reported failures of well-known schedulers, found again by our own scenarios."""
