"""A folder that looks like a project to the tracking: nothing is computed in it."""

import json
import time
from pathlib import Path

from deep_learning_dynamics.tracking.identity import identity_of

PARAMETERS = {"seed": 0, "train": {"epochs": 3, "dataset": "mnist"}}


def small_project(folder: Path) -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "pipeline").mkdir()
    (folder / "dvc.yaml").write_text(
        "stages:\n  fetch:\n    foreach: [mnist]\n    do: {cmd: echo}\n  log: {cmd: echo}\n"
    )
    (folder / "params.yaml").write_text("train: {epochs: 3, dataset: mnist}\n")
    (folder / "data/mnist.json").write_text(
        json.dumps({"label": "MNIST", "sha256": "a" * 64, "original": True, "train": 60000})
    )
    return folder


def identity(folder: Path, **parameters):
    return identity_of(folder, PARAMETERS | parameters)


def wait_for(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
