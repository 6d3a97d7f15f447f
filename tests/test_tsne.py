"""t-SNE keeps clusters apart, limits its perplexity and places new rows among the fitted."""

import numpy as np
import pytest

from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.projection.tsne import TSNE


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(size=(20, 30)) + 20 * rng.normal(size=30) for _ in range(4)])


@pytest.fixture(scope="module")
def fitted(clusters):
    return TSNE(perplexity=10.0, iterations=300, random_state=1).fit(clusters)


def test_rows_of_one_cluster_stay_together(clusters, fitted):
    apart = np.linalg.norm(fitted.embedding_[:, None] - fitted.embedding_, axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (apart.argmin(axis=1) // 20 == np.arange(80) // 20).all()


def test_new_rows_land_in_their_cluster_and_move_nothing(clusters, fitted):
    before = fitted.embedding_.copy()
    new = fitted.transform(clusters[::7] + 0.1)
    nearest = np.linalg.norm(new[:, None] - before, axis=2).argmin(axis=1)
    assert (nearest // 20 == np.arange(80)[::7] // 20).all()
    np.testing.assert_array_equal(fitted.embedding_, before)


def test_the_layout_is_centred_where_opentsne_centres_it_to_transform(clusters):
    model = TSNE(perplexity=10.0, iterations=60).fit(clusters[:25])
    np.testing.assert_allclose(model.embedding_.max(axis=0), -model.embedding_.min(axis=0))


def test_the_same_seed_gives_the_same_layout(clusters, fitted):
    again = TSNE(perplexity=10.0, iterations=300, random_state=1).fit_transform(clusters)
    np.testing.assert_array_equal(again, fitted.embedding_)


def test_the_perplexity_is_limited_by_the_number_of_rows_and_says_so(clusters, capsys):
    layout = TSNE(perplexity=30.0, iterations=30).fit_transform(clusters[::8])
    assert np.isfinite(layout).all()
    assert "perplexity 30 → 3, as there are 10 rows" in capsys.readouterr().out


def test_three_rows_are_refused(clusters):
    with pytest.raises(ProjectionError, match=r"t-SNE of 3 rows .*expected at least 4"):
        TSNE(perplexity=30.0, iterations=30).fit(clusters[:3])
