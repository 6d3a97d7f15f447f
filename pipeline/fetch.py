"""Stage fetch: a dataset from the first of ``data.sources`` to ``data/NAME.npz``."""

import argparse
from typing import get_args

from deep_learning_dynamics import datasets, stage
from deep_learning_dynamics.params import DatasetName, Params


def main(params: Params) -> None:
    found = datasets.fetch(name, params.data)
    print(
        f"{found.label}, from {found.source}: {found.counts.train:,} images for training, "
        f"{found.counts.test:,} for testing, {found.classes} classes ({found.target})."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=get_args(DatasetName))
    name = parser.parse_args().name
    stage.run(f"fetch-{name}", main)
