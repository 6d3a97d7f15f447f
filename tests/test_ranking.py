"""Methods are ordered by how far their pictures may be believed, for reasons that can be read."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from deep_learning_dynamics import ranking
from deep_learning_dynamics.errors import ProjectionError
from deep_learning_dynamics.figures.captions import TITLES
from deep_learning_dynamics.projection.alignment import align
from deep_learning_dynamics.projection.faithfulness import faithfulness
from deep_learning_dynamics.ranking.reasons import LONGEST, reason
from deep_learning_dynamics.ranking.scores import Evidence

ROOT = Path(__file__).parents[1]
ROWS = 60
PATHS = [np.arange(20) + start for start in (0, 20, 40)]


def rows():
    """A plane that is turned into 50 dimensions: three random walks."""
    rng = np.random.default_rng(0)
    plane = np.cumsum(rng.normal(size=(ROWS, 2)), axis=0)
    return plane, plane @ np.linalg.qr(rng.normal(size=(50, 2)))[0].T


def measured(points, refit):
    """What a quality.json says of these places of the rows, and of a refit."""
    found = faithfulness(cdist(rows()[1], rows()[1]), cdist(points, points), PATHS)
    quality = {
        "trustworthiness": found.trustworthiness,
        "continuity": found.continuity,
        "distance_correlation": found.distance_correlation,
    }
    along = {name: {"median": spread.median} for name, spread in found.along_paths.items()}
    disparity = align(refit, points).disparity
    return {name: value for name, value in quality.items() if value is not None} | {
        "along_paths": along,
        "stability": {"seeds": {"refits": 1, "disparity": disparity}},
    }


def quality(neighbourhoods=0.9, distances=0.7, paths=0.8, seeds=0.1, folds=0.0):
    return {
        "trustworthiness": neighbourhoods,
        "continuity": neighbourhoods,
        "distance_correlation": distances,
        "along_paths": {"distance_correlation": {"median": paths}},
        "stability": {"seeds": {"disparity": seeds}, "folds": {"disparity": folds}},
    }


class TestOrder:
    def test_a_perfect_plane_is_above_a_shuffled_layout_and_that_above_a_collapsed_code(self):
        plane, _ = rows()
        rng = np.random.default_rng(1)
        turned = plane @ np.array([[0, 3.0], [-3.0, 0]]) + 5
        qualities = {
            "autoencoder": measured(np.zeros((ROWS, 2)), np.zeros((ROWS, 2))),
            "umap": measured(rng.permutation(plane), rng.permutation(plane)),
            "pca": measured(turned, plane),
        }
        found = ranking.rank(qualities)
        assert [entry.method for entry in found] == ["pca", "umap", "autoencoder"]
        best, shuffled, collapsed = found
        assert best.score == pytest.approx(1)
        assert (
            best.reason
            == "keeps neighbourhoods (1.00), distances (1.00) and paths (1.00); refits agree"
        )
        assert shuffled.score < 0.2
        assert shuffled.reason.startswith("keeps neither neighbourhoods (0.")
        assert "two seeds disagree (0." in shuffled.reason
        # Nothing but what chance gives to neighbourhoods in so few rows.
        assert collapsed.score < 0.03
        assert (collapsed.distances, collapsed.paths, collapsed.stability) == (0, 0, 0)
        assert collapsed.reason == "collapsed: all snapshots lie at one place"

    def test_the_score_is_the_mean_of_four_parts_on_one_scale(self):
        entry = ranking.rank({"pca": quality(0.9, 0.7, 0.8, seeds=0.1, folds=0.4)})[0]
        parts = (entry.neighbourhoods, entry.distances, entry.paths, entry.stability)
        assert parts == pytest.approx((0.8, 0.7, 0.8, 0.6))
        assert entry.score == pytest.approx(np.mean(parts))

    def test_what_is_worse_than_chance_counts_as_chance(self):
        entry = ranking.rank({"pca": quality(0.3, -0.5, -0.2, seeds=1.0)})[0]
        assert entry.score == 0

    @pytest.mark.parametrize("left_out", ["along_paths", "stability"])
    def test_what_is_not_known_neither_punishes_nor_rewards(self, left_out):
        whole = quality(0.9, 0.8, 0.8, seeds=0.2, folds=0.2)  # each part 0.8
        part = {name: value for name, value in whole.items() if name != left_out}
        found = ranking.rank({"pca": whole, "som": part})
        assert [entry.score for entry in found] == pytest.approx([0.8, 0.8])
        assert (found[1].paths, found[1].stability).count(None) == 1

    def test_equal_scores_share_a_rank_in_the_order_that_was_asked_for(self):
        qualities = {
            "umap": quality(),
            "pca": quality(distances=0.9),
            "som": quality(),
            "autoencoder": quality(distances=0.2),
        }
        found = [(entry.rank, entry.method) for entry in ranking.rank(qualities)]
        assert found == [(1, "pca"), (2, "umap"), (2, "som"), (4, "autoencoder")]

    def test_a_method_of_which_nothing_is_known_is_last(self):
        found = ranking.rank({"som": {}, "pca": quality(0.4, 0.0, 0.0, 1.0)})
        assert [(entry.rank, entry.method) for entry in found] == [(1, "pca"), (2, "som")]
        assert found[1].score is None
        assert found[1].reason == "too few snapshots to tell"


def evidence(**values):
    nothing = dict.fromkeys(("neighbourhoods", "distances", "paths", "seeds", "folds"))
    others = {"collapsed": False, "matched_by_chance": (), "compared_with_chance": ()}
    return Evidence(**(nothing | others | values))


class TestReasons:
    @pytest.mark.parametrize(
        ("values", "words"),
        [
            (
                {"neighbourhoods": 0.998, "distances": 0.41, "seeds": 0.22},
                "keeps neighbourhoods (0.998) but not distances (0.41); two seeds disagree (0.22)",
            ),
            ({"neighbourhoods": 0.9}, "roughly keeps neighbourhoods (0.900)"),
            (
                {"neighbourhoods": 0.97, "distances": 0.7, "paths": 0.95, "folds": 0.01},
                "keeps neighbourhoods (0.970) and paths (0.950), roughly distances (0.70); refits agree",
            ),
            (
                {"neighbourhoods": 0.97, "distances": 0.2, "paths": 0.1, "seeds": 0.1},
                "keeps neighbourhoods (0.970) but not distances (0.20) or paths (0.10); "
                "refits differ a little (0.10)",
            ),
            (
                {"neighbourhoods": 0.5, "distances": -0.05, "seeds": 0.0, "folds": 0.5},
                "keeps neither neighbourhoods (0.50) nor distances (−0.05); "
                "depends on the networks (0.50)",
            ),
            ({"distances": 0.1}, "does not keep distances (0.10)"),
            ({"neighbourhoods": 0.99997}, "keeps neighbourhoods (0.999)"),
        ],
    )
    def test_they_say_what_is_kept_and_whether_it_is_stable(self, values, words):
        assert reason(evidence(**values)) == words

    def test_what_random_walks_do_as_well_is_named(self):
        standings = {
            "trustworthiness": {"value": 0.95, "high": 0.96},
            "distance_correlation": {"value": 0.7, "high": 0.6},
            "path_distance_correlation": {"value": 0.8, "high": 0.8},
            "explained_variance": {"value": 0.1, "high": 0.8},
        }

        def told(*names):
            nulls = {"random_walk": {name: standings[name] for name in names}}
            return ranking.rank({"pca": quality() | {"nulls": nulls}})[0].reason.split("; ")[-1]

        three = ("trustworthiness", "distance_correlation", "path_distance_correlation")
        assert told(*three) == "random walks match all but distances"
        assert told("trustworthiness") == "random walks match its trustworthiness"
        assert told(three[0], three[2]) == "random walks do as well"
        assert told("distance_correlation") == "random walks do worse"
        assert told() == "refits differ a little (0.10)"

    def test_they_fit_the_cell_of_a_table_whatever_the_numbers(self):
        values = (None, -0.123, 0.7, 0.876, 0.912, 0.987, 1.0)
        names = ("neighbourhoods", "distances", "paths")
        longest = max(
            len(
                reason(
                    evidence(
                        **dict(zip(names, three, strict=True)),
                        seeds=seeds,
                        folds=folds,
                        matched_by_chance=matched,
                        compared_with_chance=names,
                    )
                )
            )
            for three in itertools.product(values, repeat=3)
            for seeds, folds in [(0.5, None), (None, 0.5), (0.1, 0.1)]
            for size in range(4)
            for matched in itertools.combinations(names, size)
        )
        assert 120 < longest <= LONGEST


def test_titles_are_those_of_the_figures():
    from deep_learning_dynamics.ranking.ranking import TITLES as OURS

    assert OURS == TITLES


def test_the_stage_writes_and_prints_the_methods_that_were_asked_for(tmp_path):
    text = (ROOT / "params.yaml").read_text()
    before = "methods: [pca, som, autoencoder, autoencoder_som, autoencoder_tsne, umap]"
    assert before in text
    (tmp_path / "params.yaml").write_text(text.replace(before, "methods: [som, pca]"))
    for method, one in (("pca", quality(distances=0.9)), ("som", quality()), ("umap", quality())):
        folder = tmp_path / "projections" / method
        folder.mkdir(parents=True)
        (folder / "quality.json").write_text(json.dumps({"method": method} | one))
    done = subprocess.run(
        [sys.executable, ROOT / "pipeline" / "rank.py"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[0].split()[:3] == ["1", "pca", "0.85"]
    written = json.loads((tmp_path / "ranking" / "ranking.json").read_text())
    assert [entry["method"] for entry in written] == ["pca", "som"]
    assert set(written[0]) == {
        "rank",
        "method",
        "title",
        "score",
        "neighbourhoods",
        "distances",
        "paths",
        "stability",
        "reason",
    }
    assert (tmp_path / "timings" / "rank.json").exists()


def test_without_a_projection_it_says_how_to_make_it(tmp_path):
    with pytest.raises(ProjectionError, match="Make it with: dvc repro project@umap"):
        ranking.read_qualities(tmp_path, ["umap"])
