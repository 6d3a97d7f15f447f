"""The contract that every method of ``project.methods`` fulfils."""

import json
from typing import get_args

import numpy as np
import pytest
from sklearn.base import clone
from small_stores import Stores, settings

from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.params import Method
from deep_learning_dynamics.projection import load, make, project
from deep_learning_dynamics.projection.isometry import Isometry
from deep_learning_dynamics.views import view

METHODS = get_args(Method)
SMALL = {
    "som": {"rows": 6, "columns": 5, "updates": 500, "learning_rate": 0.5, "radius": 3},
    "autoencoder": {"hidden_units": 16, "iterations": 150, "restarts": 2},
    "autoencoder_som": {
        "code_units": 20, "rows": 6, "columns": 5, "updates": 500, "learning_rate": 0.5, "radius": 3,
    },
    "autoencoder_tsne": {"code_units": 20, "perplexity": 8, "iterations": 150},
    "umap": {"neighbours": 8, "minimum_distance": 0.1},
}  # fmt: skip
PARAMS = settings(project=SMALL)
MAPS = ("som", "autoencoder_som")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Three pairs; the second scratch network diverges, its last finite row is far away."""
    stores = Stores(tmp_path_factory.mktemp("snapshots"), diverged=1)
    return view(stores.pretrain, stores.train, PARAMS.track)


@pytest.fixture(scope="module")
def projections(rows):
    made = {}

    def get(method, first_only=False):
        if (method, first_only) not in made:
            section = {**SMALL, "fit_on_first_network_only": first_only}
            params = settings(project=section)
            made[method, first_only] = project(method, rows, params.project, params.seed)
        return made[method, first_only]

    return get


def points(projection):
    return projection.coordinates[["x", "y"]].to_numpy()


@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_every_finite_snapshot_has_a_place_and_no_other(rows, projections, method, first_only):
    projection = projections(method, first_only)
    assert len(projection.coordinates) == len(rows.table)
    np.testing.assert_array_equal(np.isfinite(points(projection)).all(axis=1), rows.finite)
    assert np.isnan(points(projection)[~rows.finite]).all()
    assert len(np.unique(points(projection)[rows.finite], axis=0)) > 5


@pytest.mark.parametrize("method", METHODS)
def test_the_columns_are_those_of_the_view_then_the_place_and_how_faithful_it_is(
    rows, projections, method
):
    coordinates = projections(method).coordinates
    added = ["x", "y", "trustworthiness", "continuity"]
    assert list(coordinates.columns) == [*rows.table.columns, "fitted", *added]
    assert coordinates["fitted"].dtype == bool
    assert coordinates[added].dtypes.tolist() == [np.float64] * 4


@pytest.mark.parametrize("method", METHODS)
def test_networks_that_diverged_are_placed_but_not_fitted(rows, projections, method):
    np.testing.assert_array_equal(projections(method).coordinates["fitted"], rows.usable)


@pytest.mark.parametrize("method", METHODS)
def test_a_projector_can_be_fitted_on_the_first_network_only(rows, projections, method):
    coordinates = projections(method, True).coordinates
    np.testing.assert_array_equal(coordinates["fitted"], rows.of_first_network)
    assert coordinates["fitted"].sum() == 9
    assert projections(method, True).quality.fitted_rows == 9
    assert projections(method, True).quality.rows == rows.finite.sum()


@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_equal_weights_have_one_place(rows, projections, method, first_only):
    """The path through pre-training leads from the scratch to the pretrained start."""
    table, places = rows.table, points(projections(method, first_only))
    for pair in (0, 1, 2):
        path = places[((table["phase"] == "pretrain") & (table["pair"] == pair)).to_numpy()]
        arms = [
            places[
                (
                    (table["phase"] == "train") & (table["pair"] == pair) & (table["arm"] == arm)
                ).to_numpy()
            ]
            for arm in ("scratch", "pretrained")
        ]
        if pair == 1:
            continue  # its scratch network diverged and is placed, not fitted
        np.testing.assert_array_equal(path[0], arms[0][0])
        np.testing.assert_array_equal(path[-1], arms[1][0])


@pytest.mark.parametrize("method", METHODS)
def test_a_projector_is_the_same_after_it_was_saved_and_loaded(rows, projections, tmp_path, method):
    projection = projections(method)
    projection.save(tmp_path / method)
    fitted = rows.weights.take(rows.usable)
    loaded = load(tmp_path / method, fitted)
    new = 0.5 * np.asarray(fitted)[3:20] + 0.5 * np.asarray(fitted)[5:22]
    np.testing.assert_array_equal(loaded.transform(new), projection.pipeline.transform(new))
    assert [type(step) for step in loaded] == [type(step) for step in projection.pipeline]
    for before, after in zip(projection.pipeline, loaded, strict=True):
        assert before.get_params() == after.get_params()


@pytest.mark.parametrize("method", METHODS)
def test_the_files_are_the_contract_and_hold_no_pickle(projections, tmp_path, method):
    projections(method).save(tmp_path / method)
    expected = {"coordinates.parquet", "projector.json", "projector.npz", "quality.json"}
    assert {p.name for p in (tmp_path / method).iterdir()} == expected | (
        {"map.npz"} if method in MAPS else set()
    )
    with np.load(tmp_path / method / "projector.npz", allow_pickle=False) as file:
        assert all(file[key].dtype.kind in "fiub" for key in file.files)
    assert json.loads((tmp_path / method / "quality.json").read_text())["method"] == method


@pytest.mark.parametrize("method", METHODS)
def test_projecting_again_gives_the_same_bytes(rows, projections, tmp_path, method):
    projections(method).save(tmp_path / "first")
    project(method, rows, PARAMS.project, PARAMS.seed).save(tmp_path / "second")
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes(), file.name


@pytest.mark.parametrize("method", METHODS)
def test_the_parts_are_scikit_learn_transformers(method):
    pipeline = make(method, PARAMS.project, seed=5)
    assert isinstance(pipeline[0], Isometry)
    copy = clone(pipeline)
    for before, after in zip(pipeline, copy, strict=True):
        assert before.get_params() == after.get_params()


def test_every_method_has_random_streams_of_its_own():
    states = [
        step.get_params()["random_state"]
        for method in METHODS
        for step in make(method, PARAMS.project, seed=5)
        if isinstance(step.get_params().get("random_state"), int)
    ]
    assert len(set(states)) == len(states) == 8
    assert make("umap", PARAMS.project, 6)[-1].random_state not in states


@pytest.mark.parametrize("method", METHODS)
def test_the_picture_is_better_than_a_shuffled_one(rows, projections, method):
    quality = projections(method).quality
    assert quality.method == method
    assert quality.rows == rows.finite.sum()
    assert quality.neighbours == 10
    assert quality.trustworthiness > 0.8
    assert quality.continuity > 0.8
    assert quality.distance_correlation > 0.2


def test_each_method_has_the_measures_that_are_defined_for_it(projections):
    extra = {
        method: set(projections(method).quality.as_json())
        - {
            "method",
            "rows",
            "fitted_rows",
            "weights",
            "neighbours",
            "trustworthiness",
            "continuity",
            "distance_correlation",
            "along_paths",
        }
        for method in METHODS
    }
    assert extra == {
        "pca": {"explained_variance", "reconstruction_error"},
        "som": {"quantisation_error", "topographic_error"},
        "autoencoder": {"explained_variance", "reconstruction_error"},
        "autoencoder_som": {"code_explained_variance", "quantisation_error", "topographic_error"},
        "autoencoder_tsne": {"code_explained_variance"},
        "umap": set(),
    }


def test_the_autoencoder_explains_more_than_principal_components(projections):
    pca, autoencoder = projections("pca").quality, projections("autoencoder").quality
    assert autoencoder.explained_variance > pca.explained_variance + 0.05
    assert autoencoder.explained_variance == pytest.approx(1 - autoencoder.reconstruction_error)


def test_principal_components_are_those_of_the_raw_weights(rows, projections):
    from sklearn.decomposition import PCA

    weights = np.asarray(rows.weights)
    _, first = np.unique(weights[rows.usable], axis=0, return_index=True)
    reference = PCA(2).fit(weights[rows.usable][first])
    expected = reference.transform(weights[rows.usable])
    found = points(projections("pca"))[rows.usable]
    signs = np.sign((expected * found).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, atol=1e-6)


@pytest.mark.parametrize("method", MAPS)
def test_points_of_a_map_are_centres_of_its_units(rows, projections, method):
    projection = projections(method)
    assert projection.map.centres.shape == (30, 2)
    assert projection.map.u_matrix.shape == (30,)
    assert (projection.map.rows, projection.map.columns) == (6, 5)
    centres = {tuple(centre) for centre in projection.map.centres}
    assert {tuple(point) for point in points(projection)[rows.finite]} <= centres


def test_a_map_is_written_with_its_centres(projections, tmp_path):
    projections("som").save(tmp_path / "som")
    with np.load(tmp_path / "som" / "map.npz") as file:
        assert sorted(file.files) == ["centres", "columns", "rows", "u_matrix"]
        assert (int(file["rows"]), int(file["columns"])) == (6, 5)


@pytest.mark.parametrize("method", METHODS)
def test_few_snapshots_are_projected_or_refused_clearly(tmp_path, method):
    stores = Stores(tmp_path, pairs=1, snapshots=2)
    few = view(stores.pretrain, stores.train, PARAMS.track)
    projection = project(method, few, PARAMS.project, 0)
    assert np.isfinite(points(projection)).all()
    first = settings(project={**SMALL, "fit_on_first_network_only": True})
    with pytest.raises(ProjectionError, match=r"There are 2 different snapshots to fit; expected"):
        project(method, few, first.project, 0)


def test_snapshots_on_one_line_are_refused(tmp_path):
    stores = Stores(tmp_path, pairs=1)
    rows = view(stores.pretrain, stores.train, PARAMS.track)
    import zarr

    weights = zarr.open_group(stores.train, mode="r+")["weights"]
    weights[:] = np.ones(weights.shape) * np.arange(9)[:, None]
    weights = zarr.open_group(stores.pretrain, mode="r+")["weights"]
    weights[:] = 0
    with pytest.raises(ProjectionError, match="lie on one line"):
        project("pca", rows, PARAMS.project, 0)


def test_a_projection_that_cannot_be_written_leaves_the_old_one(projections, tmp_path):
    folder = tmp_path / "pca"
    projections("pca").save(folder)
    before = (folder / "coordinates.parquet").read_bytes()
    broken = projections("umap")
    object.__setattr__(broken.quality, "method", {"not", "a", "name"})
    with pytest.raises(TypeError, match="not JSON serializable"):
        broken.save(folder)
    assert [p.name for p in tmp_path.iterdir()] == ["pca"]
    assert (folder / "coordinates.parquet").read_bytes() == before


def test_a_missing_projector_is_named_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(
        ProjectionError, match=r"projector.json does not exist.*dvc repro project@som"
    ):
        load(tmp_path / "som", np.ones((3, 3)))


def test_a_damaged_projector_is_refused(projections, rows, tmp_path):
    projections("pca").save(tmp_path / "pca")
    (tmp_path / "pca" / "projector.npz").write_bytes(b"nothing")
    with pytest.raises(ProjectionError, match="does not hold a fitted projector"):
        load(tmp_path / "pca", rows.weights)


def test_a_projector_is_not_loaded_with_other_rows(projections, rows, tmp_path):
    projections("pca").save(tmp_path / "pca")
    with pytest.raises(ProjectionError, match="72 were given; expected the same rows"):
        load(tmp_path / "pca", rows.weights)
