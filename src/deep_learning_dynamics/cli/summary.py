"""What the terminal says when the pipeline is done: the answer, numbers, and where to look."""

import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deep_learning_dynamics.cli.show import REPORT
from deep_learning_dynamics.quantities import quantity

if TYPE_CHECKING:
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
        path, here = root / REPORT, Path.cwd()
        places["report"] = str(path.relative_to(here) if path.is_relative_to(here) else path)
    if logged is not None:
        places["run"] = f"{logged.name}   (in MLflow: dynamics ui)"
        places["next"] = f"dynamics show {logged.name}, or dynamics list"
    parts.append("\n".join(f"  {name:<8} {text}" for name, text in places.items() if text))
    return "\n\n".join(part for part in parts if part)


def medians(results: "Results") -> dict[str, str]:
    """The test accuracy of each group at its end, by the group's title, with what failed.

    For example "91.6 % median test accuracy (90.1 % to 92.3 %), 2 failed".
    """
    if results.scores is None or "test_accuracy" not in results.scores:
        return {}
    scores, show, found = results.scores, quantity("test_accuracy").format, {}
    ends = scores.loc[scores.groupby("network", sort=False)["snapshot"].idxmax()]
    columns = [name for name in ("dataset", results.by) if name in ends]
    for values, rows in ends.groupby(columns, sort=False) if columns else [((), ends)]:
        named = zip(columns, values, strict=True)
        title = ", ".join(results.titles.get(c, {}).get(value, str(value)) for c, value in named)
        accuracy = rows["test_accuracy"].to_numpy(float)
        known = np.isfinite(accuracy)
        accuracy = accuracy[known]
        text = "no network has a test accuracy"
        if len(accuracy):
            middle, low, high = (
                show(float(each)) for each in (np.median(accuracy), accuracy.min(), accuracy.max())
            )
            those = "" if known.all() else f" of the {len(accuracy)} that have one"
            text = f"{middle} median test accuracy{those} ({low} to {high})"
        failed = int((rows["outcome"] != "").sum()) if "outcome" in rows else 0
        found[title] = f"{text}, {failed} failed" if failed else text
    return found


def _wrapped(text: str, bullet: str = "") -> str:
    """Text in the terminal's width, words whole."""
    return textwrap.fill(
        text,
        max(20, shutil.get_terminal_size().columns),
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_on_hyphens=False,
        break_long_words=False,
    )
