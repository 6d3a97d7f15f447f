"""The examples do what their READMEs say: the commands run, the known outcome is there."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from project import ROOT, call
from ruamel.yaml import YAML

import deep_learning_dynamics as dld
from deep_learning_dynamics.study import params

EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(path.relative_to(EXAMPLES) for path in EXAMPLES.rglob("*.ipynb"))


def copied(name, tmp_path):
    return Path(shutil.copytree(EXAMPLES / name, tmp_path / name))


def commands(folder):
    """Those that the README gives and that are not for looking."""
    lines = re.findall(r"^    (.*)$", (folder / "README.md").read_text(), re.MULTILINE)
    words = [shlex.split(line, comments=True) for line in lines]
    return [each for each in words if each[0] in ("dvc", "python", "dynamics")]


def cells(notebook):
    content = json.loads(notebook.read_text())
    assert content["nbformat"] == 4
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in code)
    return ["".join(cell["source"]) for cell in code]


def execute(notebook):
    """Run the code of a notebook in its folder, as a process of its own; returns what it prints."""
    code = "\n\n".join(cells(notebook))
    (notebook.parent / "cells.py").write_text(code)
    return call(notebook.parent, "python", "cells.py", MPLBACKEND="agg")


@pytest.mark.pipeline
@pytest.mark.slow
def test_own_training(tmp_path):
    folder = copied("own_training", tmp_path)
    changed = YAML()
    settings = changed.load(folder / "params.yaml")
    settings.update(seeds=2, epochs=1, methods=["pca"])
    changed.dump(settings, folder / "params.yaml")
    call(folder, "git", "init", "--quiet")
    call(folder, "dvc", "init", "--quiet")
    tracking = f"sqlite:///{tmp_path / 'mlflow.db'}"
    first, again = commands(folder)
    assert first == again == ["dvc", "repro"]

    printed = call(folder, *first, MLFLOW_TRACKING_URI=tracking)
    assert "4 runs, 32 snapshots of 1,898 weights" in printed
    assert "Nothing wrong in 4 runs" in printed
    sentence = "2 and 2 networks are too few to tell"
    assert sentence in printed

    runs = dld.open(folder / "snapshots" / "runs.zarr")
    assert sorted(runs["optimiser"].values.tolist()) == ["adam", "adam", "sgd", "sgd"]
    # 28 steps: the first, the last, every tenth, and those that are early.
    assert runs["step"].values.tolist() == [[0, 1, 2, 4, 7, 10, 20, 28]] * 4
    page = (folder / "report.html").read_text()
    assert "Digits: two optimisers" in page
    assert "4 (adam and sgd)" in page

    client = MlflowClient(tracking)
    experiment = client.get_experiment_by_name("own training")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params["seeds"] == "2"
    assert run.data.tags["mlflow.note.content"].startswith(sentence)
    curve = client.get_metric_history(run.info.run_id, "test_accuracy/sgd")
    assert [point.step for point in curve] == [0, 1, 2, 4, 7, 10, 20, 28]

    assert "Running stage" not in call(folder, *again, MLFLOW_TRACKING_URI=tracking)
    assert sentence in execute(folder / "own_training.ipynb")


@pytest.mark.pipeline
@pytest.mark.slow
def test_transformer(tmp_path):
    folder = copied("transformer", tmp_path)
    train, draw = commands(folder)[:2]
    printed = call(folder, *train, "--steps", "20", "--pairs", "1")
    assert "learning rate 0.003, pair 0: loss 2." in printed, "it learns"

    runs = dld.open(str(folder / "runs" / "*.zarr"))
    assert runs["network"].values.tolist() == ["0.0003-0", "0.003-0"]
    assert runs["step"].values[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20]
    start = runs["weights"].values[:, 0]
    assert (start[0] == start[1]).all(), "networks of a pair have the same start"
    loss = runs["eval_loss"].values[:, -1]
    assert loss[1] < loss[0] < 3.3, "the higher rate learns more in twenty steps"

    printed = call(folder, "bash", "-c", " ".join(draw))
    assert "1 pair is too few to tell" in printed
    page = (folder / "report.html").read_text()
    assert "2 (learning rate 0.0003 and learning rate 0.003)" in page
    execute(folder / "transformer.ipynb")


@pytest.mark.pipeline
@pytest.mark.slow
def test_first_steps(tmp_path):
    notebook = tmp_path / "first_steps.ipynb"
    shutil.copy(EXAMPLES / "first_steps.ipynb", notebook)
    printed = execute(notebook)
    runs = dld.open(str(tmp_path / "first_steps" / "*.zarr"))
    assert (runs["step"].values >= 0).sum() == 12 * 11
    assert re.search(r"trustworthiness 0\.9\d", printed)
    assert "batch" in printed.splitlines()[-1]
    assert (tmp_path / "first_steps" / "report.html").exists()


def test_every_notebook_is_executed_by_a_test():
    here = Path(__file__).read_text()
    assert NOTEBOOKS
    assert all(notebook.name in here for notebook in NOTEBOOKS)
    for notebook in NOTEBOOKS:
        assert cells(EXAMPLES / notebook)


def test_the_setting_of_2020_is_valid_and_differs_in_nothing_else():
    now = params.load(ROOT / "params.yaml").as_json()
    then = params.load(EXAMPLES / "params-2020.yaml").as_json()
    assert (now["pairs"], then["pairs"]) == (20, 5)
    for phase in ("pretrain", "train"):
        assert (then[phase]["learning_rate"], then[phase]["batch_order"]) == (0.1, "shared")
        now[phase] |= {"learning_rate": 0.1, "batch_order": "shared"}
    assert then == now | {"pairs": 5}
    regions = params.load(EXAMPLES / "params-regions.yaml").as_json()
    assert regions == then | {"pairs": 20}
