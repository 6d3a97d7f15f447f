"""Stage fetch: a dataset from the first source that has it."""

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics.study import datasets, stage
from deep_learning_dynamics.study.params import Params


def main(params: Params, name: str) -> None:
    dataset = datasets.DATASETS[name](params.data.settings(name))
    print(datasets.fetch(dataset, params.data.sources).sentence())


if __name__ == "__main__":
    stage.run(main)
