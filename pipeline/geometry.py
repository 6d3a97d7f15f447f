"""Stage geometry: what lies between the networks, and around them."""

from pathlib import Path

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics.geometry import analyse
from deep_learning_dynamics.study import stage, watching
from deep_learning_dynamics.study.forward import forward
from deep_learning_dynamics.study.params import Params
from deep_learning_dynamics.study.stores import open_runs


def main(params: Params) -> None:
    chosen, evaluate = params.geometry.analyses, forward(params)
    with watching.line("geometry") as line:
        found = analyse(
            open_runs(), analyses=chosen, forward=evaluate, seed=params.seed, progress=line.count
        )
    found.save(Path("geometry"))
    print(f"analyses: {', '.join(found.findings) or 'none'}")


if __name__ == "__main__":
    stage.run(main)
