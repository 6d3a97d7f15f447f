"""Stage geometry: what lies between the networks, and around them."""

from pathlib import Path

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics.geometry import analyse
from deep_learning_dynamics.study import stage, watching
from deep_learning_dynamics.study.forward import forward
from deep_learning_dynamics.study.params import Params
from deep_learning_dynamics.study.stores import open_runs


def main(params: Params) -> None:
    chosen, evaluate, seed = params.geometry.analyses, forward(params), params.seed
    with watching.line("geometry") as show:
        found = analyse(open_runs(), analyses=chosen, forward=evaluate, seed=seed, progress=show)
    found.save(Path("geometry"))
    print(f"analyses: {', '.join(found.findings) or 'none'}")


if __name__ == "__main__":
    stage.run(main)
