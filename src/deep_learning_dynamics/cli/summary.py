"""What the terminal says when the pipeline is done: the answer, numbers, and where to look."""

import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deep_learning_dynamics.cli.show import REPORT
from deep_learning_dynamics.quantities import quantity

if TYPE_CHECKING:
    import pandas as pd

    from deep_learning_dynamics.results import Results
    from deep_learning_dynamics.tracking.complete import Logged


def summary(root: Path, results: "Results", logged: "Logged | None") -> str:
    """The summary of the outputs in a project, in plain text."""
    parts = []
    if results.comparisons is not None:
        verdict = results.comparisons.verdict
        parts.append(_wrapped(verdict.sentence))
        parts.append("\n".join(_wrapped(bullet, "• ") for bullet in verdict.bullets))
        parts.append(_wrapped(verdict.next_step or ""))
    found = medians(results)
    longest = max(map(len, found), default=0)
    parts.append("\n".join(f"  {name:<{longest}}  {text}" for name, text in found.items()))
    places = {"data": " · ".join(str(each.get("label", "")) for each in results.provenance)}
    if (root / REPORT).exists():
        places["report"] = typed(root / REPORT)
    if logged is not None:
        places["run"] = f"{logged.name}   (in MLflow: dynamics ui)"
        places["next"] = f"dynamics show {logged.name}, or dynamics list"
    parts.append("\n".join(f"  {name:<8} {text}" for name, text in places.items() if text))
    return "\n\n".join(part for part in parts if part)


def medians(results: "Results") -> dict[str, str]:
    """The test accuracy of each group at its end, by the group's title, with what failed."""
    if results.scores is None or "test_accuracy" not in results.scores:
        return {}
    ends, found = last_snapshots(results.scores), {}
    titles = results.titles.get(results.by, {})
    columns = [name for name in ("dataset", results.by) if name in ends]
    for values, rows in ends.groupby(columns, sort=False) if columns else [((), ends)]:
        words = [titles.get(value, results.titles.get(name, {}).get(value, str(value)))
                 for name, value in zip(columns, values, strict=True)]  # fmt: skip
        accuracy = rows["test_accuracy"].to_numpy(float)
        accuracy = accuracy[np.isfinite(accuracy)]
        failed = int((rows["outcome"] != "").sum()) if "outcome" in rows else 0
        found[", ".join(words)] = spread(accuracy) + (f", {failed} failed" if failed else "")
    return found


def spread(accuracy: np.ndarray) -> str:
    """ "91.6 % median test accuracy (90.1 % to 92.3 %)"."""
    if not len(accuracy):
        return "no network has a test accuracy"
    what = quantity("test_accuracy")
    middle, low, high = (
        what.format(float(value)) for value in (np.median(accuracy), accuracy.min(), accuracy.max())
    )
    return f"{middle} median test accuracy ({low} to {high})"


def last_snapshots(scores: "pd.DataFrame") -> "pd.DataFrame":
    """The row of each network at its last snapshot."""
    return scores.loc[scores.groupby("network", sort=False)["snapshot"].idxmax()]


def _wrapped(text: str, bullet: str = "") -> str:
    """Text in the terminal's width, words whole."""
    width = max(20, shutil.get_terminal_size().columns)
    return textwrap.fill(
        text,
        width,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_on_hyphens=False,
        break_long_words=False,
    )


def typed(path: Path) -> str:
    """A path as one would type it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
