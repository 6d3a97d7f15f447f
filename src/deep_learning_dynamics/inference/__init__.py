"""What the numbers say: comparisons of groups, tests against null models, and the answer."""

from deep_learning_dynamics.inference.comparing import compare
from deep_learning_dynamics.inference.comparisons import Comparison, Comparisons
from deep_learning_dynamics.inference.null_tests import NullTests, null_tests, path_null_tests
from deep_learning_dynamics.inference.ranking import ranking
from deep_learning_dynamics.inference.regions import regions

__all__ = [
    "Comparison",
    "Comparisons",
    "NullTests",
    "compare",
    "null_tests",
    "path_null_tests",
    "ranking",
    "regions",
]
