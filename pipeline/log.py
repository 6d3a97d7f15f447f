"""Stage log: complete the run in MLflow."""

from pathlib import Path

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics.study import stage
from deep_learning_dynamics.study.params import Params
from deep_learning_dynamics.tracking.complete import attempt


def main(params: Params) -> None:
    logged = attempt(Path(), params.as_json())  # everything is computed, whatever MLflow does
    if logged is not None:
        print(f"run {logged.name} in MLflow")


if __name__ == "__main__":
    stage.run(main)
