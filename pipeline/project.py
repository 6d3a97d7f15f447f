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
        projection = project(
            reduction,
            method,
            settings=params.project.settings(method),
            seed=params.seed,
            robustness=params.robustness_settings(),
            fit_on=params.project.fit_on(reduction.rows),
        )
        projection.save(folder)


if __name__ == "__main__":
    stage.run(main)
