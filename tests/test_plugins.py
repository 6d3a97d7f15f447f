"""Each extension point works from outside the package, and the whole pipeline runs with all."""

import json
import os
import sys

import pytest
from project import ROOT, call, new_project

SETTINGS = {
    "plugins": ["lab_plugin"],
    "data.sources": ["embedded"],
    "conditions": ["scratch", "halved"],
    "pairs": 3,
    "train.dataset": "bars",
    "train.epochs": 2,
    "train.scored_examples": 100,
    "train.probes": 10,
    "train.batch_size": 50,
    "project.methods": ["pca", "polar"],
    "project.polar": {"power": 2.0},
    "robustness": "none",
    "geometry.examples": 50,
    "figures.dpi": 60,
}
ANALYSES = ["barriers", "surface", "end_error", "function_space", "representations", "spectra"]
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


def assert_it_runs(folder, network, analyses, *command):
    """The pipeline of a project whose params.yaml names the plug-ins, and whether they are used."""
    settings = SETTINGS | {"network": network, "geometry.analyses": analyses}
    new_project(folder, settings, git=False)
    (folder / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    path = f"{folder / 'src'}{os.pathsep}{ROOT / 'tests' / 'plugin'}"
    call(folder, *command, PYTHONPATH=path)
    import pandas as pd

    coordinates = pd.read_parquet(folder / "projections/polar/coordinates.parquet")
    assert set(coordinates["condition"]) == {"scratch", "halved"}
    assert (coordinates["y"] >= 0).all()
    table = pd.read_parquet(folder / "measures/table.parquet")
    assert {"farthest", "end_error", "twin_barrier"} <= set(table["measure"])
    analysed = json.loads((folder / "geometry/analyses.json").read_text("utf-8"))["analyses"]
    assert analysed == analyses
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


@pytest.mark.pipeline
@pytest.mark.slow
def test_the_whole_pipeline_runs_with_plug_ins(tmp_path):
    network = {"kind": "mlp", "hidden_layers": [6, 6], "activation": "gelu"}
    assert_it_runs(tmp_path / "project", network, ANALYSES, "dvc", "repro")


@pytest.mark.slow
def test_all_stages_take_a_network_of_a_plug_in(tmp_path):
    network = {"kind": "convolutional", "channels": 3}
    assert_it_runs(
        tmp_path / "project", network, ANALYSES[:3], sys.executable, "-c", IN_ONE_PROCESS
    )
