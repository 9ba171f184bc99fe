"""The report: one self-contained page, from the matrix to a cell, a trial and its timeline."""

from bench.report.page import write_report

__all__ = ["write_report"]
