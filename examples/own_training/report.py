"""Draw every figure, and gather everything in one page."""

from pathlib import Path

import deep_learning_dynamics as dld
from deep_learning_dynamics.figures import Style, draw_all
from deep_learning_dynamics.report import About
from deep_learning_dynamics.results import Results

results = Results.gather(".")  # projections/, measures/, comparisons/ and snapshots/
draw_all(results, Path("figures"), Style())
dld.report(results, "report.html", about=About(title="Digits: two optimisers"))
