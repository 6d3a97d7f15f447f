"""Stage check: refuse invalid settings before anything runs; write them down, defaults included."""

from pathlib import Path

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics.files import write_json
from deep_learning_dynamics.study import stage
from deep_learning_dynamics.study.estimate import estimate
from deep_learning_dynamics.study.params import Params


def main(params: Params) -> None:
    write_json(Path("checked/params.json"), params.as_json())
    print(f"this takes {estimate(params).sentence()}")


if __name__ == "__main__":
    stage.run(main)
