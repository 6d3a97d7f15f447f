"""The report: one page that opens without a network, and holds everything about some runs."""

from deep_learning_dynamics.report.page import About, report

__all__ = ["About", "report"]
