"""What the numbers say: comparisons of groups, tests against null models, and the answer."""

from deep_learning_dynamics.inference.comparing import Comparison, Comparisons, compare
from deep_learning_dynamics.inference.verdict import Verdict

__all__ = ["Comparison", "Comparisons", "Verdict", "compare"]
