"""Stage pretrain: what the conditions start from."""

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics.study import parts, phases, stage, watching
from deep_learning_dynamics.study.params import Params


def main(params: Params) -> None:
    training = phases.pretraining(params)
    if training is None:
        print("No condition needs pre-training.")
        return
    with watching.watching(training, continued=True) as watch:
        parts.train("pretraining", params, training, *watch)
    print(*watching.headlines(training), sep="\n")


if __name__ == "__main__":
    stage.run(main)
