"""The report: one HTML file that opens offline."""

from pitmap.reporting.page import write_report

__all__ = ["write_report"]
