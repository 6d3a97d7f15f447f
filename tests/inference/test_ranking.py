"""Methods are ordered by what their pictures keep, ties are ties, and null models count."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import procrustes

from deep_learning_dynamics.inference import ranking
from deep_learning_dynamics.inference.null_tests import NullTest, NullTests
from deep_learning_dynamics.projection.projection import Projection
from deep_learning_dynamics.projection.quality import assess
from deep_learning_dynamics.projection.robustness import Robustness, RobustnessSettings

ROWS = 60
PATHS = [np.arange(20) + start for start in (0, 20, 40)]
KEYS = ("trustworthiness", "continuity", "distance_rank_correlation",
        "path_distance_rank_correlation")  # fmt: skip


def rows():
    """A plane that is turned into 50 dimensions: three random walks."""
    rng = np.random.default_rng(0)
    plane = np.cumsum(rng.normal(size=(ROWS, 2)), axis=0)
    return plane, plane @ np.linalg.qr(rng.normal(size=(50, 2)))[0].T


def projection(points, refit=None, nulls=None, method="pca"):
    """A projection to these places; a refit; nulls by model with the mean of each quantity."""
    quality = assess(rows()[1], points, PATHS).quality
    robustness = None
    if refit is not None or nulls:
        rng = np.random.default_rng(1)
        disparity = 0.0 if refit is None else procrustes(refit, points)[2]
        robustness = Robustness(
            settings=RobustnessSettings(),
            rows=ROWS,
            real=quality.numbers(),
            seeds=(float(disparity),),
            folds=(),
            refit_spread=None,
            nulls={
                model: {key: mean + 0.001 * rng.normal(size=39) for key, mean in means.items()}
                for model, means in (nulls or {}).items()
            },
            examples={},
        )
    return Projection(
        method, pd.DataFrame({"x": points[:, 0], "y": points[:, 1]}), quality, robustness, None,
        {}, 50, {}, "all weights",
    )  # fmt: skip


def noisy(spread, seed=2):
    plane, _ = rows()
    return plane + spread * np.random.default_rng(seed).normal(size=plane.shape)


def test_a_perfect_plane_is_above_a_shuffled_layout_and_both_say_why():
    plane, _ = rows()
    rng = np.random.default_rng(1)
    turned = plane @ np.array([[0, 3.0], [-3.0, 0]]) + 5
    found = ranking(
        {
            "umap": projection(rng.permutation(plane), rng.permutation(plane)),
            "pca": projection(turned, plane),
        }
    )
    best, shuffled = found.items
    assert (best.method, best.rank, shuffled.rank) == ("pca", 1, 2)
    assert best.score == pytest.approx(1)
    assert (
        best.reason == "keeps neighbourhoods (1.00), distances (1.00) and paths (1.00); "
        "refits agree"
    )
    assert shuffled.score < 0.2
    assert shuffled.reason.startswith("loses neighbourhoods (0.")
    assert "seeds disagree (0." in shuffled.reason
    assert found.best == ("pca",)
    assert found.sentence == (
        "Most faithful and stable: Principal component analysis, not tested against null models."
    )


def test_every_method_says_what_to_read_and_what_not():
    found = ranking({method: projection(noisy(0.1)) for method in ("pca", "som", "umap")})
    for entry in found.items:
        assert entry.reads
        assert entry.cautions
        assert len(entry.reason) <= 160  # characters, in the cell of a table


def test_scores_that_hardly_differ_share_a_rank_and_the_next_rank_counts_them():
    points = {"pca": noisy(0.02), "som": noisy(0.025), "umap": noisy(3.0)}
    found = ranking({method: projection(places) for method, places in points.items()})
    assert [(entry.method, entry.rank) for entry in found.items] == [
        ("pca", 1),
        ("som", 1),
        ("umap", 3),
    ]
    assert found.best == ("pca", "som")
    assert found.sentence.startswith("Equally faithful and stable: ")


def low(keys=KEYS):
    return dict.fromkeys(keys, 0.3)


def high(keys=KEYS):
    return dict.fromkeys(keys, 0.999)


def test_a_method_that_a_null_model_matches_comes_last_whatever_its_score():
    found = ranking(
        {
            "pca": projection(noisy(0.05), nulls={"momentum_walk": high()}),
            "som": projection(noisy(1.5), nulls={"momentum_walk": low()}),
        }
    )
    assert [entry.method for entry in found.items] == ["som", "pca"]
    assert found.items[0].score < found.items[1].score
    assert [entry.nulls for entry in found.items] == ["better", "no better"]
    assert [entry.rank for entry in found.items] == [1, 2]
    assert found.items[1].reason.endswith("; not better than walks with momentum")
    assert found.best == ("som",)


def test_a_method_that_was_not_tested_stands_with_those_that_beat_no_null_model():
    plane = noisy(0.02)
    found = ranking(
        {
            "pca": projection(noisy(1.5), nulls={"momentum_walk": low()}),
            "som": projection(noisy(0.3), nulls={"momentum_walk": high()}),
            "umap": projection(plane, plane),
            "autoencoder": projection(noisy(1.0)),
        }
    )
    assert [entry.method for entry in found.items] == ["pca", "umap", "som", "autoencoder"]
    assert found.best == ("pca",)
    unbeaten = ranking(
        {
            "som": projection(plane, nulls={"momentum_walk": high()}),
            "umap": projection(noisy(1.0)),
        }
    )
    assert unbeaten.best == ()
    assert unbeaten.sentence == "No projection stands out."


def test_the_sentence_says_where_the_best_is_better_than_null_models_only_in_part():
    nulls = {"random_walk": {**low(), "continuity": 0.9999999}}
    found = ranking({"pca": projection(noisy(0.3), nulls=nulls)})
    assert found.sentence == (
        "Most faithful and stable: Principal component analysis, better than null models only in "
        "part."
    )


def test_where_null_models_match_all_no_projection_is_the_best():
    found = ranking({"pca": projection(noisy(0.05), nulls={"random_walk": high()})})
    assert found.best == ()
    assert found.sentence == ("No projection stands out: none is better than all its null models.")


@pytest.mark.parametrize(
    ("random_walk", "momentum_walk", "standing", "told"),
    [
        ("====", "====", "no better", "not better than random walks and walks with momentum"),
        ("----", "++++", "no better", "worse than random walks"),
        ("====", "----", "no better", "not better than random walks and worse than walks with momentum"),
        ("====", "--==", "no better",
         "not better than random walks and in part worse than walks with momentum"),
        ("++++", "--+=", "mixed", "in part better, in part worse than random walks and walks with "
         "momentum"),
        ("++++", "==+=", "mixed", "in part better than random walks and walks with momentum"),
        ("++++", "++++", "better", "better than random walks and walks with momentum"),
    ],
)  # fmt: skip
def test_null_models_that_do_better_are_told_from_those_that_do_as_well(
    random_walk, momentum_walk, standing, told
):
    p = {"+": (0.5, 0.01), "=": (0.9, 1.0), "-": (0.99, 0.01)}  # of the null, and the p-value
    models = {"random_walk": random_walk, "momentum_walk": momentum_walk}
    tests = NullTests(
        tuple(
            NullTest("umap", key, model, 0.9, 39, null_value=p[sign][0], adjusted_p=p[sign][1])
            for model, signs in models.items()
            for key, sign in zip(KEYS, signs, strict=True)
        )
    )
    (entry,) = ranking({"umap": projection(noisy(0.3), method="umap")}, tests).items
    assert entry.nulls == standing
    assert entry.reason.endswith(f"; {told}")


def test_the_hardest_null_model_counts():
    nulls = {"random_walk": low(), "momentum_walk": high()}
    (entry,) = ranking({"pca": projection(noisy(0.05), nulls=nulls)}).items
    assert entry.nulls == "no better"
    assert "random walks" not in entry.reason


def test_better_in_part_is_mixed():
    nulls = {"random_walk": {**low(), "continuity": 0.9999999}}
    (entry,) = ranking({"pca": projection(noisy(0.3), nulls=nulls)}).items
    assert entry.nulls == "mixed"
    assert entry.reason.endswith("in part better, in part worse than random walks")


def test_a_collapsed_layout_has_nothing_to_read():
    (entry,) = ranking({"autoencoder": projection(np.zeros((ROWS, 2)))}).items
    assert entry.reason == "collapsed: all snapshots lie at one place"
    assert (entry.distances, entry.paths) == (0, 0)


def test_without_projections_there_is_no_order():
    assert ranking({}).sentence == "No projection was made."
