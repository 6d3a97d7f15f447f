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
    selection = select(open_runs(), networks="not twin", **params.view.model_dump())
    what = f"{len(selection):,} rows of {selection.weights.shape[1]:,} weights"
    with watching.line(what) as show, or_note(Path("reduction")):
        reduce(selection, progress=lambda share: show(share, 1)).save(Path("reduction"))
    print(f"{len(selection):,} snapshots: {selection.description}")


if __name__ == "__main__":
    stage.run(main)
