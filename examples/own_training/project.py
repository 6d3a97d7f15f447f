"""Project the paths to the plane with the method that is named on the command line."""

import sys
from pathlib import Path

from ruamel.yaml import YAML

import deep_learning_dynamics as dld
from deep_learning_dynamics.projection import Reduction

method = sys.argv[1]
robustness = YAML(typ="safe").load(Path("params.yaml"))["robustness"]
projection = dld.project(
    Reduction.load("reduction"), method, robustness=False if robustness == "none" else robustness
)
projection.save(f"projections/{method}")
print(f"{method}: trustworthiness {projection.quality.trustworthiness:.2f}")
