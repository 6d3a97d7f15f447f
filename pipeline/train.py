"""Stage train: the networks of all conditions, with their rounding twins."""

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics.study import parts, phases, stage, watching
from deep_learning_dynamics.study.params import Params


def main(params: Params) -> None:
    training = phases.main_training(params)
    with watching.watching(training) as watch:
        parts.train("main_training", params, training, *watch)
    print(*watching.headlines(training), sep="\n")


if __name__ == "__main__":
    stage.run(main)
