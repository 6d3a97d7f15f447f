"""Projecting: which rows are fitted, which placed, what is known of each, and the files."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from deep_learning_dynamics.errors import ParamsError, ProjectionError, ResultsError
from deep_learning_dynamics.projection import METHODS, Projection, project, reduce
from deep_learning_dynamics.projection import reduction as module
from deep_learning_dynamics.selection import from_arrays

MAP = {"rows": 6, "columns": 5, "epochs": 10}


@pytest.fixture(scope="module")
def selection():
    """Six networks of nine snapshots; "c" diverges: one row is far off and one is not finite."""
    rng = np.random.default_rng(0)
    weights = np.cumsum(rng.normal(size=(6, 9, 80)), axis=1)
    weights[1, 0] = weights[0, 0]
    weights[2, 7] *= 1e9
    weights[2, 8] = np.inf
    rows = pd.DataFrame(
        {
            "network": np.repeat(list("abcdef"), 9),
            "step": np.tile(np.arange(9) * 100, 6),
            "condition": np.repeat(["scratch", "pretrained"], 27),
            "usable": np.repeat([True, True, False, True, True, True], 9),
            "test_accuracy": rng.uniform(size=54),
        }
    )
    titles = {"condition": {"scratch": "from scratch"}}
    return from_arrays(weights.reshape(54, 80), rows, titles, "all weights")


@pytest.fixture(scope="module")
def projected(selection):
    made = {}

    def get(method, **options):
        key = (method, *options.items())
        if key not in made:
            settings = MAP if method.endswith("som") else None
            made[key] = project(selection, method, settings=settings, **options)
        return made[key]

    return get


@pytest.mark.parametrize("method", list(METHODS)[:6])
def test_every_finite_row_has_a_place_and_only_usable_ones_are_fitted(selection, projected, method):
    found = projected(method)
    finite = np.arange(54) != 26
    np.testing.assert_array_equal(np.isfinite(found.points).all(axis=1), finite)
    assert np.isnan(found.points[26]).all()
    np.testing.assert_array_equal(found.coordinates["fitted"], selection.usable)
    np.testing.assert_array_equal(found.points[9], found.points[0])
    added = ["fitted", "x", "y", "trust", "continuity"]
    assert list(found.coordinates) == [*selection.rows, *added]
    pd.testing.assert_frame_equal(found.coordinates[list(selection.rows)], selection.rows)
    assert found.coordinates.loc[finite, added].notna().all().all()


def test_a_projection_says_what_it_is_of(projected):
    found = projected("som")
    assert (found.method, found.weights, found.description) == ("som", 80, "all weights")
    assert found.titles == {"condition": {"scratch": "from scratch"}}
    assert found.settings == vars(METHODS["som"].settings(MAP))
    assert found.quality.rows == 53
    assert found.quality.numbers()["topographic_error"] >= 0
    assert found.robustness is None
    assert (found.cells.rows, found.cells.columns, len(found.cells.centres)) == (6, 5, 30)
    assert projected("pca").cells is None


@pytest.mark.parametrize("method", ["pca", "umap"])
def test_a_method_can_be_fitted_on_some_networks(selection, projected, method):
    found = projected(method, fit_on="network in ['a', 'c']")
    np.testing.assert_array_equal(found.coordinates["fitted"], np.arange(54) < 9)
    alone = project(selection, method, fit_on="network == 'a'")
    np.testing.assert_array_equal(alone.points, found.points)
    assert np.isfinite(found.points).all(axis=1).sum() == 53


def test_a_reduction_and_its_selection_give_the_same(selection, projected):
    again = project(reduce(selection), "pca")
    pd.testing.assert_frame_equal(again.coordinates, projected("pca").coordinates)


def test_principal_components_are_the_first_columns_of_the_reduction(selection, projected):
    vectors = reduce(selection).vectors
    found, finite = projected("pca").points, np.arange(54) != 26
    np.testing.assert_allclose(found[finite], vectors[finite, :2], rtol=1e-9, atol=1e-9)


def test_an_opened_store_is_projected(study_stores):
    runs = study_stores(pairs=2, snapshots=9).open()
    found = project(runs, "pca")
    assert found.quality.trustworthiness > 0.7
    assert set(found.coordinates["network"]) == set(runs["network"].values)


@pytest.mark.parametrize("robustness", [False, {"seeds": 1, "folds": 2, "nulls": 1}])
@pytest.mark.parametrize("method", ["pca", "som"])
def test_a_projection_comes_back_from_its_files(selection, tmp_path, method, robustness):
    settings = MAP if method == "som" else None
    for name in ("first", "second"):
        found = project(selection, method, settings=settings, robustness=robustness)
        found.save(tmp_path / name)
    names = {"projection.json", "coordinates.parquet"}
    names |= {"cells.npz"} if method == "som" else set()
    if robustness:
        names |= {"robustness.json", "nulls.parquet", "null_examples.parquet"}
        assert {"spread_xx", "spread_xy", "spread_yy"} <= set(found.coordinates)
    assert {file.name for file in (tmp_path / "first").iterdir()} == names
    for name in names:
        both = [(tmp_path / folder / name).read_bytes() for folder in ("first", "second")]
        assert both[0] == both[1], name
    loaded = Projection.load(tmp_path / "first")
    pd.testing.assert_frame_equal(loaded.coordinates, found.coordinates)
    loaded.save(tmp_path / "third")
    for name in names:
        assert (tmp_path / "third" / name).read_bytes() == (
            tmp_path / "first" / name
        ).read_bytes(), name
    for field in ("method", "settings", "weights", "titles", "description"):
        assert getattr(loaded, field) == getattr(found, field)
    assert (loaded.robustness is None) == (not robustness)


def test_a_damaged_or_missing_projection_is_named_with_the_command_that_makes_it(
    selection, projected, tmp_path
):
    folder = tmp_path / "pca"
    with pytest.raises(ResultsError, match=r"does not exist. Make it with: dvc repro project@pca"):
        Projection.load(folder)
    projected("pca").save(folder)
    (folder / "coordinates.parquet").write_bytes(b"nothing")
    with pytest.raises(ResultsError, match="does not hold a whole projection"):
        Projection.load(folder)
    settings = {"seeds": 0, "folds": 2, "nulls": 1}
    project(selection, "pca", robustness=settings).save(folder)
    (folder / "nulls.parquet").unlink()
    with pytest.raises(ResultsError, match=r"whole projection .* dvc repro project@pca"):
        Projection.load(folder)


def test_a_projection_that_cannot_be_written_leaves_the_old_one(projected, tmp_path):
    folder = tmp_path / "pca"
    projected("pca").save(folder)
    before = (folder / "coordinates.parquet").read_bytes()
    broken = dataclasses.replace(projected("umap"), settings={"not": {"a", "setting"}})
    with pytest.raises(TypeError, match="not JSON serializable"):
        broken.save(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["pca"]
    assert (folder / "coordinates.parquet").read_bytes() == before
    assert json.loads((folder / "projection.json").read_text())["method"] == "pca"


def test_too_many_rows_for_a_method_are_refused_before_weights_are_read(selection, monkeypatch):
    monkeypatch.setattr(METHODS["umap"], "most_rows", 20)
    monkeypatch.setattr("deep_learning_dynamics.projection.projection.reduce", None)
    with pytest.raises(ProjectionError, match="UMAP would be fitted on 45 rows; expected at most"):
        project(selection, "umap")


def test_wrong_arguments_are_named(selection, projected):
    with pytest.raises(ParamsError, match=r"'pac' is not a known method.*Did you mean pca"):
        project(selection, "pac")
    with pytest.raises(ParamsError, match="som has no setting 'row'"):
        project(selection, "som", settings={"row": 3})
    with pytest.raises(ProjectionError, match="fit_on is 'network >', which is no query"):
        project(selection, "pca", fit_on="network >")
    with pytest.raises(ProjectionError, match="needs at least 3 different rows; found 0"):
        project(selection, "pca", fit_on="network == 'c'")


def test_a_projection_is_drawn(projected):
    figure = projected("pca").plot(color="step", width=3.3)
    assert figure.get_figwidth() == pytest.approx(3.3)


def test_a_reduction_that_lost_something_is_projected_as_it_is(selection, monkeypatch):
    for name, value in (("EXACT", 0), ("LEAST_LIMITED", 5), ("MOST_LIMITED", 5)):
        monkeypatch.setattr(module, name, value)
    short = reduce(selection)
    assert 0 < short.lost < 1
    assert project(short, "som", settings=MAP).quality.rows == 53


CORES = """
import hashlib, sys
from pathlib import Path
from deep_learning_dynamics.projection import Reduction, project
found = project(Reduction.load(Path(sys.argv[1])), "autoencoder").coordinates
print(hashlib.sha256(found[["x", "y", "trust"]].to_numpy().tobytes()).hexdigest())
"""


def test_the_number_of_cores_changes_no_bit(tmp_path):
    """In a process in which the libraries of linear algebra are loaded only when they are used."""
    rng = np.random.default_rng(0)
    weights = np.cumsum(rng.normal(size=(24, 50, 400)) * np.linspace(3, 0.1, 400), axis=1)
    rows = {"network": np.repeat(np.arange(24), 50).astype(str), "step": np.tile(np.arange(50), 24)}
    reduce(from_arrays(weights.reshape(1200, 400), pd.DataFrame(rows))).save(tmp_path / "reduction")
    said = {
        subprocess.run(
            [sys.executable, "-c", CORES, str(tmp_path / "reduction")],
            env=os.environ | {"OPENBLAS_NUM_THREADS": threads},
            capture_output=True, text=True, check=True,
        ).stdout
        for threads in ("1", "2")
    }  # fmt: skip
    assert len(said) == 1
