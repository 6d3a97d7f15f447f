"""Outputs of stages that are no longer asked for are removed, and nothing else."""

import json

import pytest

from deep_learning_dynamics.tracking import remove_leftovers


@pytest.fixture
def project(tmp_path):
    """It had the methods pca and som and the dataset bars; now it has pca and mnist."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "params.yaml").write_text("{methods: [pca], dataset: mnist}")
    (root / "dvc.yaml").write_text(
        "stages:\n"
        "  project: {foreach: '${methods}', do: {cmd: a, outs: ['projections/${item}']}}\n"
        "  fetch: {foreach: ['${dataset}'], do: {cmd: b, outs: ['data/${item}.npz']}}\n"
        "  figures: {cmd: c, outs: [figures]}\n"
    )
    outputs = {
        "project@pca": ["projections/pca"],
        "project@som": ["projections/som"],
        "fetch@mnist": ["data/mnist.npz"],
        "fetch@bars": ["data/bars.npz", "data/bars.json"],
        "pictures": ["figures", "../outside", str(tmp_path / "elsewhere")],  # an older name
        "figures": ["figures"],
    }
    stages = {name: {"outs": [{"path": each} for each in of]} for name, of in outputs.items()}
    (root / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))
    return root


def filled(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return set(names)


def test_what_no_stage_makes_any_more_is_removed_and_nothing_else(project):
    own = ["projections/notes/README", "projections/umap/projection.json", "data/mine.npz"]
    kept = filled(project, [*own, "projections/pca/a.csv", "data/mnist.npz", "figures/a.png"])
    kept |= filled(project, ["../outside", "../elsewhere"])
    filled(project, ["projections/som/a.csv", "data/bars.npz", "data/bars.json"])
    removed = remove_leftovers(project)
    assert [path.name for path in removed] == ["bars.json", "bars.npz", "som"]
    assert all((project / name).exists() for name in kept)
    assert not any(path.exists() for path in removed)
    assert remove_leftovers(project) == []


@pytest.mark.parametrize("lock", [None, "", "stages: {project@som: {outs: 3}}", "{"])
def test_without_a_sound_lock_nothing_is_removed(project, lock):
    kept = filled(project, ["projections/som/a.csv"])
    (project / "dvc.lock").unlink()
    if lock is not None:
        (project / "dvc.lock").write_text(lock)
    assert remove_leftovers(project) == []
    assert all((project / name).exists() for name in kept)
