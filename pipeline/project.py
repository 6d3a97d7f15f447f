"""Stage project: the trajectories in the plane of one method, and how good the picture is."""

import argparse
from pathlib import Path
from typing import get_args

from deep_learning_dynamics import projection, stage, views
from deep_learning_dynamics.params import Method, Params


def main(params: Params) -> None:
    pretrain, train = (Path("snapshots", f"{phase}.zarr") for phase in ("pretrain", "train"))
    view = views.view(pretrain, train, params.track)
    projected = projection.project(method, view, params.project, params.seed)
    projected = projection.put_to_test(projected, view, params.project, params.trust, params.seed)
    projected.save(Path("projections", method))
    print(projected.quality.summary())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", choices=get_args(Method))
    method = parser.parse_args().method
    stage.run(f"project-{method}", main)
