"""Stage reduce: the selected weights along their principal axes, once for all methods."""

from pathlib import Path

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics.files import or_note
from deep_learning_dynamics.projection import reduce
from deep_learning_dynamics.selection import select
from deep_learning_dynamics.study import stage, watching
from deep_learning_dynamics.study.params import Params
from deep_learning_dynamics.study.stores import open_runs


def main(params: Params) -> None:
    view = params.view.model_dump()
    selection = select(open_runs(), networks="not twin", **view)
    with (
        watching.line(f"{len(selection):,} rows of {selection.weights.shape[1]:,} weights") as line,
        or_note(Path("reduction")),
    ):
        reduce(selection, progress=line.share).save(Path("reduction"))
    print(f"{len(selection):,} snapshots: {selection.description}")


if __name__ == "__main__":
    stage.run(main)
