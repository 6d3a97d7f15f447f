"""InPCA as a method: it sees predictions, from the store to the plane, and is tested like others."""

import numpy as np
import pandas as pd
import pytest

from deep_learning_dynamics import predictions, selection
from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.projection import METHODS, Reduction, project, reduce
from deep_learning_dynamics.projection.quality import assess
from deep_learning_dynamics.projection.refits import _as_seen
from deep_learning_dynamics.store import Parameters, StoreWriter, open

NETWORKS, SNAPSHOTS, PROBES, CLASSES = 6, 8, 20, 4
LABELS = np.arange(PROBES) % CLASSES


def learning(seed=0):
    """Predictions [network, snapshot, probe, class] that go from ignorance towards the truth."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, SNAPSHOTS)[:, None, None]
    logits = 5 * np.eye(CLASSES)[LABELS] + rng.normal(size=(NETWORKS, 1, PROBES, CLASSES))
    powers = np.exp(time * logits)
    return powers / powers.sum(axis=-1, keepdims=True)


def store_of(path, outputs=None, prefix="n"):
    rng = np.random.default_rng(1)
    pairs = np.arange(NETWORKS) // 2
    networks = pd.DataFrame(
        {"condition": ["a", "b"] * (NETWORKS // 2), "pair": pairs},
        index=[f"{prefix}{number}" for number in range(NETWORKS)],
    )
    sizes = {}
    if outputs is not None:
        sizes = {"probes": PROBES, "classes": CLASSES, "probe_labels": LABELS.tolist()}
    with StoreWriter(path, networks, Parameters.of({"w": (3, 4)}), **sizes) as writer:
        for snapshot in range(SNAPSHOTS):
            weights = rng.normal(size=(NETWORKS, 12)).astype(np.float32)
            now = None if outputs is None else outputs[:, snapshot].astype(np.float32)
            writer.add(np.full(NETWORKS, 10 * snapshot), weights, {}, now)
    return open(path)


@pytest.fixture
def runs(tmp_path):
    return store_of(tmp_path / "runs.zarr", learning())


def test_the_plane_is_that_of_the_first_two_components_of_all_snapshots(runs):
    found = project(runs, "inpca")
    roots = predictions.roots_of(learning().reshape(-1, PROBES, CLASSES))
    embedding = predictions.inpca(predictions.distances(roots), 2)
    sizes = np.abs(found.points) - np.abs(embedding.coordinates)  # float32 in the store
    assert np.abs(sizes).max() < 1e-5
    assert found.quality.properties["explained_stress"] == pytest.approx(embedding.explained[1])
    assert found.quality.properties["negative_axes"] == (embedding.signs < 0).sum()
    assert (found.weights, found.description) == (0, "predictions")


def test_quality_is_against_distances_between_predictions_not_weights(runs):
    """Weights are noise here, predictions lie almost on a line."""
    seen, unseen = project(runs, "inpca").quality, project(runs, "pca").quality
    assert seen.distance_rank_correlation > 0.95
    apart = predictions.distances(predictions.roots_of(learning().reshape(-1, PROBES, CLASSES)))
    places = project(runs, "inpca").points
    plane = np.linalg.norm(places[:, None] - places, axis=2)
    upper = np.triu_indices(len(plane), 1)
    ranks = [pd.Series(each[upper]).rank() for each in (apart, plane)]
    assert seen.distance_rank_correlation == pytest.approx(ranks[0].corr(ranks[1]), abs=1e-5)
    assert unseen.distance_rank_correlation < 0.9


def test_networks_that_were_left_out_are_placed_where_they_would_be(runs):
    whole, part = project(runs, "inpca"), project(runs, "inpca", fit_on="network != 'n5'")
    out = (part.coordinates["network"] == "n5").to_numpy()
    assert part.coordinates["fitted"].tolist() == (~out).tolist()
    apart = [np.linalg.norm(each.points[out] - each.points[0], axis=1) for each in (whole, part)]
    np.testing.assert_allclose(apart[1], apart[0], rtol=0.2)


def test_it_is_tested_like_other_methods(runs):
    found = project(runs, "inpca", robustness={"folds": 3, "nulls": 5, "seeds": 2}).robustness
    assert found.seeds == (0, 0), "no chance enters"
    assert len(found.folds) == 3
    assert max(fold.disparity for fold in found.folds) < 0.05, "every network learns alike"
    nulls = found.nulls["momentum_walk"]
    assert set(nulls) >= {"trustworthiness", "explained_stress"}
    assert all(np.isfinite(values).all() for values in nulls.values())
    # Predictions that all go to the truth are one line; walks with momentum go anywhere.
    assert found.real["explained_stress"] > nulls["explained_stress"].max()


@pytest.mark.parametrize("model", ["random_walk", "momentum_walk", "shuffled_steps"])
def test_null_models_are_predictions(model):
    from deep_learning_dynamics.null_models import NULL_MODELS

    roots = predictions.roots_of(learning().reshape(-1, PROBES, CLASSES))
    paths = [[np.arange(SNAPSHOTS) + SNAPSHOTS * number] for number in range(NETWORKS)]
    drawn = NULL_MODELS[model].draw(roots, paths, roots.shape[1], np.random.default_rng(0))
    seen = _as_seen(METHODS["inpca"], drawn, roots)
    probabilities = (seen**2).reshape(-1, PROBES, CLASSES)
    np.testing.assert_allclose(probabilities.sum(axis=2), 1, atol=1e-12)
    starts = [path[0][0] for path in paths]
    np.testing.assert_allclose(seen[starts], roots[starts], atol=1e-12)
    lengths = [np.linalg.norm(np.diff(each[paths[0][0]], axis=0), axis=1) for each in (seen, roots)]
    assert lengths[0].sum() == pytest.approx(lengths[1].sum(), rel=0.5)


def test_a_reduction_comes_back_from_its_files_with_its_predictions(runs, tmp_path):
    reduction = reduce(selection.select(runs))
    reduction.save(tmp_path / "reduction")
    loaded = Reduction.load(tmp_path / "reduction")
    np.testing.assert_array_equal(loaded.roots, reduction.roots)
    np.testing.assert_array_equal(
        project(loaded, "inpca").points, project(reduction, "inpca").points
    )


def test_networks_without_predictions_have_no_place(tmp_path):
    """Such as those of pre-training, whose classes are others."""
    store_of(tmp_path / "before.zarr", prefix="before")
    store_of(tmp_path / "after.zarr", learning())
    runs = open([tmp_path / "before.zarr", tmp_path / "after.zarr"])
    placed = project(runs, "inpca").coordinates.groupby("network")["x"].count()
    assert (placed[[f"before{number}" for number in range(NETWORKS)]] == 0).all()
    assert (placed[[f"n{number}" for number in range(NETWORKS)]] == SNAPSHOTS).all()


def test_without_predictions_the_message_says_how_to_record_them(tmp_path):
    with pytest.raises(ProjectionError, match=r"InPCA of predictions sees .* Recorder\(outputs"):
        project(store_of(tmp_path / "runs.zarr"), "inpca")


def test_equal_rows_too_few_rows_and_new_rows(runs):
    roots = reduce(selection.select(runs)).roots
    found = METHODS["inpca"].fit(np.concatenate([roots, roots[:3]]))
    np.testing.assert_array_equal(found.coordinates[-3:], found.coordinates[:3])
    np.testing.assert_array_equal(found.transform(roots), found.coordinates[:-3])
    with pytest.raises(ProjectionError, match="at least 3 different rows; found 2"):
        METHODS["inpca"].fit(roots[:2])


def test_a_fit_is_better_than_a_shuffled_one(runs):
    roots, method = reduce(selection.select(runs)).roots, METHODS["inpca"]
    points = method.fit(roots).coordinates
    shuffled = np.random.default_rng(0).permutation(points)
    good, bad = (
        assess(roots, each, [], distances=method.distances).quality for each in (points, shuffled)
    )
    assert good.trustworthiness > 0.9
    assert bad.trustworthiness < 0.7


def test_the_sheet_says_that_one_method_sees_predictions(runs):
    from made_results import words

    from deep_learning_dynamics import figures
    from deep_learning_dynamics.results import Results

    results = Results.of(runs, methods=("pca", "inpca"))
    said = words(figures.draw("sheet", results)).replace("\n", " ")
    assert "between weights (InPCA of predictions: between predictions)." in said
    alone = words(figures.draw("sheet", Results.of(runs, methods=("pca",)))).replace("\n", " ")
    assert "in the plane and between weights." in alone
    assert "weights" not in words(figures.draw("paths", results, variant="inpca"))
