"""What is measured of the networks' paths and learning without any projection, and what differs."""

from deep_learning_dynamics.measures.against_nulls import AgainstNulls, against_nulls
from deep_learning_dynamics.measures.conclusion import conclusion
from deep_learning_dynamics.measures.contrast import Contrast, contrast
from deep_learning_dynamics.measures.results import write
from deep_learning_dynamics.measures.statistics import Comparison
from deep_learning_dynamics.measures.tables import Measures, measure

__all__ = [
    "AgainstNulls",
    "Comparison",
    "Contrast",
    "Measures",
    "against_nulls",
    "conclusion",
    "contrast",
    "measure",
    "write",
]
