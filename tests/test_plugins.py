"""Each extension point works from outside the package, and the whole pipeline runs with all."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
SETTINGS = {
    "plugins": ["lab_plugin"],
    "data": {"sources": ["embedded"]},
    "conditions": ["scratch", "halved"],
    "pairs": 3,
    "train": {"dataset": "bars", "epochs": 2, "scored_examples": 100, "probes": 10, "batch_size": 50},
    "project": {"methods": ["pca", "polar"], "polar": {"power": 2.0}},
    "robustness": "none",
    "geometry": {"analyses": ["barriers", "surface", "end_error"], "examples": 50},
    "figures": {"dpi": 60},
}  # fmt: skip


def project_with(folder, network):
    """A copy of the project whose params.yaml names the plug-ins."""
    for name in ("dvc.yaml", "pipeline", "src", ".dvc", ".dvcignore"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        ignored = {"ignore": shutil.ignore_patterns("cache", "tmp", "config.local", "__pycache__")}
        copy(ROOT / name, folder / name, **(ignored if copy is shutil.copytree else {}))
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    for key, value in SETTINGS.items():
        if isinstance(value, dict):
            params[key].update(value)
        else:
            params[key] = value
    params["network"] = network
    yaml.dump(params, folder / "params.yaml")
    return folder


STAGES = [["check"], ["find"], ["fetch", "omniglot"], ["fetch", "bars"], ["pretrain"], ["train"],
          ["reduce"], ["project", "pca"], ["project", "polar"], ["geometry"], ["measure"],
          ["figures"], ["report"]]  # fmt: skip
IN_ONE_PROCESS = f"""
import runpy, sys
sys.path.insert(0, "pipeline")
for name, *arguments in {STAGES}:
    sys.argv = [f"pipeline/{{name}}.py", *arguments]
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(folder, *commands):
    environment = os.environ | {
        "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{ROOT / 'tests' / 'plugin'}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for name in ("MLFLOW_TRACKING_URI", "DYNAMICS_DATASETS"):
        environment.pop(name, None)
    for command in commands:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.pipeline
def test_the_whole_pipeline_runs_with_plug_ins(tmp_path):
    network = {"kind": "mlp", "hidden_layers": [6, 6], "activation": "gelu"}
    folder = project_with(tmp_path, network)
    run(folder, ["dvc", "config", "--local", "core.no_scm", "true"], ["dvc", "repro"])
    assert_plug_ins_are_used(folder)


def test_all_stages_take_a_network_of_a_plug_in(tmp_path):
    folder = project_with(tmp_path, {"kind": "convolutional", "channels": 3})
    run(folder, [sys.executable, "-c", IN_ONE_PROCESS])
    assert_plug_ins_are_used(folder)


def assert_plug_ins_are_used(folder):
    import pandas as pd

    coordinates = pd.read_parquet(folder / "projections/polar/coordinates.parquet")
    assert set(coordinates["condition"]) == {"scratch", "halved"}
    assert (coordinates["y"] >= 0).all()
    table = pd.read_parquet(folder / "measures/table.parquet")
    assert {"farthest", "end_error", "twin_barrier"} <= set(table["measure"])
    analysed = json.loads((folder / "geometry/analyses.json").read_text("utf-8"))["analyses"]
    assert analysed == ["barriers", "surface", "end_error"]
    page = (folder / "report/index.html").read_text("utf-8")
    for text in (
        "Polar",
        "largest distance from the start",
        "error on the examples of geometry",
        "Barriers between networks",
        "from scratch at half the size",
    ):
        assert text in page or text.capitalize() in page
    assert any((folder / "figures").glob("reach*.png"))
    assert json.loads((folder / "data/bars.json").read_text("utf-8"))["original"]
