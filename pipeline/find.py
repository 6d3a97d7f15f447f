"""Stage find: what there is on this machine of the datasets, and the code of plug-ins.

It runs every time; what depends on it runs again where its files differ. What is left of methods
and datasets that are no longer asked for is removed.
"""

from pathlib import Path

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics import tracking
from deep_learning_dynamics.files import write_json
from deep_learning_dynamics.study import datasets, stage
from deep_learning_dynamics.study.params import Params, record_plugins


def main(params: Params) -> None:
    tracking.remove_leftovers(Path())
    found = datasets.record_found([dataset() for dataset in datasets.DATASETS.values()])
    write_json(Path("checked/datasets.json"), found)
    write_json(Path("checked/plugins.json"), record_plugins(params.plugins))


if __name__ == "__main__":
    stage.run(main)
