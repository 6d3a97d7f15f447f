"""Stage figures: every figure that the results allow."""

from pathlib import Path

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics import figures
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.study import stage
from deep_learning_dynamics.study.params import Params


def main(params: Params) -> None:
    style = figures.Style(**params.figures.model_dump())
    captions = figures.draw_all(Results.gather(Path()), Path("figures"), style)
    print(f"{len(captions)} figures in figures/")


if __name__ == "__main__":
    stage.run(main)
