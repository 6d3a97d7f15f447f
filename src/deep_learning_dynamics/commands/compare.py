"""``dynamics compare``: runs beside each other, and their paths in one plane."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deep_learning_dynamics.errors import TrackingError

if TYPE_CHECKING:
    from deep_learning_dynamics.tracking.records import Record


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN ...", show_default=False)],
    method: Annotated[str, typer.Option(help="How to project: pca, som, umap, ...")] = "pca",
    figure: Annotated[bool, typer.Option(help="Draw all paths in one plane.")] = True,
    save: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also put the figure into this folder.")
    ] = None,
) -> None:
    """Say how runs differ and how each did; draw their paths in one common plane.

    RUN is an id, its beginning, a name or latest. MLflow gets the figure too. Tracked
    weights and projector are set as in the first run.
    """
    from rich.console import Console

    from deep_learning_dynamics.commands.opening import opened
    from deep_learning_dynamics.lab import beside, comparing
    from deep_learning_dynamics.lab.differences import differences

    comparing.check_method(method)
    _, connection, known = opened()
    compared = _chosen(known, runs)
    with tempfile.TemporaryDirectory(prefix="dynamics-") as folder:
        scratch = Path(folder)
        found = differences(connection, compared, scratch)
        numbers = beside.scores(connection, compared, scratch) | beside.qualities(compared)
        parts = beside.tables(compared, found, numbers)
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=200)
        for part in parts:
            console.print(part)
            console.print()
        if not figure:
            return
        drawn = comparing.draw(connection, compared, found, method, scratch)
        with (drawn / "comparison.txt").open("w", encoding="utf-8") as stream:
            text = Console(file=stream, width=200, highlight=False)
            for part in parts:
                text.print(part)
                text.print()
        for place in comparing.keep(connection, compared, drawn):
            print(f"figure: {place}")
        if save is not None:
            print(f"figure: {comparing.copy(drawn, save)}")


def _chosen(known: "list[Record]", wanted: list[str]) -> "list[Record]":
    from deep_learning_dynamics.figures.run_paths import MOST
    from deep_learning_dynamics.tracking.records import resolve

    chosen = {record.run_id: record for record in (resolve(known, name) for name in wanted)}
    if len(chosen) < 2:
        (only,) = chosen.values()
        raise TrackingError(
            f"{' and '.join(wanted)} {'are' if len(wanted) > 1 else 'is'} one run, {only}; "
            "expected two or more different ones. dynamics list shows those that there are."
        )
    if len(chosen) > MOST:
        raise TrackingError(
            f"{len(chosen)} runs are too many for one figure; expected 2 to {MOST}, which the eye "
            "can tell apart."
        )
    return list(chosen.values())
