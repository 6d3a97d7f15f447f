"""What is left of methods and datasets that are no longer asked for."""

from deep_learning_dynamics.study.leftovers import remove_leftovers

SETTINGS = {
    "project": {"methods": ["pca"]},
    "pretrain": {"dataset": "omniglot"},
    "train": {"dataset": "mnist"},
}


def test_what_is_no_longer_asked_for_is_removed_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = ["projections/pca/projection.json", "projections/.gitignore", "projections/mine/a.txt"]
    kept += ["data/mnist.json", "data/mnist.npz", "data/omniglot.json", "data/.gitignore"]
    removed = ["projections/som/projection.json", "projections/som/coordinates.csv"]
    removed += ["projections/umap/README", "data/bars.json", "data/bars.npz"]
    for name in [*kept, *removed]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_leftovers(SETTINGS)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(kept)
    assert not (tmp_path / "projections/som").exists()
    remove_leftovers(SETTINGS)


def test_a_new_project_has_no_leftovers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert remove_leftovers(SETTINGS) == []
