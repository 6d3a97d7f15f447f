"""Complete the experiment's run in MLflow with what the stages wrote."""

from pathlib import Path

from deep_learning_dynamics import experiments, stage
from deep_learning_dynamics.params import Params


def main(params: Params) -> None:
    experiments.track(Path.cwd())


if __name__ == "__main__":
    stage.run(None, main)
