"""Stage plot: the pictures of one method: trajectories, nulls beside them, and how they grow."""

import argparse
from pathlib import Path
from typing import get_args

from deep_learning_dynamics import figures, stage
from deep_learning_dynamics.params import Method, Params


def main(params: Params) -> None:
    projection = figures.read_projection(Path("projections", method), method)
    mnist, omniglot = (
        figures.read_provenance(Path("data", f"{name}.json")) for name in ("mnist", "omniglot")
    )
    drawings = {
        method: figures.trajectory_figure(projection, mnist, omniglot),
        "learning": figures.learning_animation(projection, mnist, omniglot),
    }
    if projection.nulls:
        drawings["nulls"] = figures.nulls_figure(projection, mnist, omniglot)
    figures.save(drawings, Path("figures", method), params.plot.dpi)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", choices=get_args(Method))
    method = parser.parse_args().method
    stage.run(f"plot-{method}", main)
