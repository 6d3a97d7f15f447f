"""Stage check: refuse invalid settings before anything runs; note what is found on this machine."""

from pathlib import Path

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics.files import write_json
from deep_learning_dynamics.study import datasets, stage
from deep_learning_dynamics.study.params import Params, record_plugins


def main(params: Params) -> None:
    keys = dict.fromkeys((params.pretrain.dataset, params.train.dataset))
    found = datasets.record_found([datasets.DATASETS[key]() for key in keys])
    # Written anew each time; what depends on them runs again where their contents differ.
    write_json(Path("checked/found.json"), found)
    write_json(Path("checked/plugins.json"), record_plugins(params.plugins))


if __name__ == "__main__":
    stage.run(main)
