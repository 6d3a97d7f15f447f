"""Stage project: the trajectories in the plane of one method, and what tests say of it."""

from pathlib import Path

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics.files import or_note
from deep_learning_dynamics.projection import Reduction, project
from deep_learning_dynamics.study import stage
from deep_learning_dynamics.study.params import Params


def main(params: Params, method: str) -> None:
    folder = Path("projections", method)
    with or_note(folder):
        reduction = Reduction.load(Path("reduction"))
        project(reduction, method, **params.projection_options(method)).save(folder)


if __name__ == "__main__":
    stage.run(main)
