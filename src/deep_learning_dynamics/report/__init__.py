"""The report: one page that shows a whole experiment and opens without a network."""

from deep_learning_dynamics.report.assembling import assemble, write
from deep_learning_dynamics.report.gathering import Experiment, gather

__all__ = ["Experiment", "assemble", "gather", "write"]
