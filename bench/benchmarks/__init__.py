"""Benchmarks of the parts, run by `make benchmark`; each prints its figures and ratios."""
