"""What the numbers say: comparisons of groups, tests against null models, and the answer."""

from deep_learning_dynamics.inference.comparing import Comparison, Comparisons, compare
from deep_learning_dynamics.inference.null_tests import (
    NullTest,
    NullTests,
    null_tests,
    path_null_tests,
)
from deep_learning_dynamics.inference.ranking import Ranked, Ranking, ranking
from deep_learning_dynamics.inference.regions import Region, Regions, regions
from deep_learning_dynamics.inference.verdict import Verdict

__all__ = [
    "Comparison",
    "Comparisons",
    "NullTest",
    "NullTests",
    "Ranked",
    "Ranking",
    "Region",
    "Regions",
    "Verdict",
    "compare",
    "null_tests",
    "path_null_tests",
    "ranking",
    "regions",
]
