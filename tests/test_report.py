"""What the report holds and how it is written, without a browser."""

import json
import re
import shutil
from html import unescape

import numpy as np
import pytest
from figure_examples import FAR
from report_examples import CONCLUSION, NASTY, write_experiment

from deep_learning_dynamics import report
from deep_learning_dynamics.errors import DataError, ProjectionError
from deep_learning_dynamics.figures.inputs import read_projection
from deep_learning_dynamics.report import assets, numbers

FEW = ("pca", "som")
FAILURES = {("scratch", 1): "dead", ("pretrained", 2): "diverged"}


@pytest.fixture
def made(tmp_path, changed):
    """Makes an experiment and its report's page: ``made(pairs=2)``."""

    def make(**options):
        root = tmp_path / "project"
        params = write_experiment(root, changed({}), **{"methods": FEW} | options)
        return root, report.assemble(report.gather(root, params))

    return make


@pytest.fixture
def gathered(tmp_path, changed):
    """The folder and parameters of an experiment of two methods."""
    return tmp_path, write_experiment(tmp_path, changed({}), methods=FEW)


def data_of(page):
    """What the page's scripts are given."""
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.S).group(1))


def without_plotly(page):
    return page.replace(assets.plotly(), "")


def text_of(page):
    """The words that a person reads."""
    return unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<script.*?</script>", "", page, flags=re.S)))


def test_the_same_experiment_gives_the_same_bytes(made, tmp_path):
    root, first = made()
    report.write(first, root / "report" / "index.html")
    assert (root / "report" / "index.html").read_text(encoding="utf-8") == first
    _, second = made()
    assert first == second
    assert [path.name for path in (root / "report").iterdir()] == ["index.html"]


def test_a_default_run_stays_below_ten_megabytes(made):
    _, page = made(methods=("pca", "som", "autoencoder", "autoencoder_som", "umap"))
    assert 4e6 < len(page.encode()) < 10e6
    assert len(without_plotly(page).encode()) < 2e6


def test_nothing_is_loaded_from_elsewhere_and_nothing_tells_the_machine(made):
    root, page = made()
    own = without_plotly(page)
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!data:)[^"'\s>]{3,}""", own)
    assert "https://" not in own
    assert str(root) not in page


def test_every_place_on_a_plane_is_that_of_its_snapshot(made):
    root, page = made(failures=FAILURES)
    data = data_of(page)
    plane = data["planes"][0]
    projection = read_projection(root / "projections" / "pca", "pca")
    width = plane["frame"][1] - plane["frame"][0]
    for number, trajectory in enumerate(projection.trajectories):
        path = data["paths"][number]
        network = data["networks"][path["network"]]
        assert (path["phase"], network["arm"], network["pair"]) == (
            trajectory.phase,
            trajectory.arm,
            trajectory.pair,
        )
        found = [
            (epoch, x, y)
            for epoch, x, y in zip(
                data["phases"][trajectory.phase]["epochs"],
                plane["x"][number],
                plane["y"][number],
                strict=True,
            )
            if x is not None
        ]
        expected = np.column_stack([trajectory.epochs, trajectory.points])
        near = np.abs(expected[:, 1]) < FAR
        difference = np.abs(np.array(found) - expected)[near]
        assert difference[:, 0].max() < 1e-3
        assert difference[:, 1:].max() < width / 5000


def test_scores_stand_at_their_networks_and_diverged_ones_end(made):
    _, page = made(failures=FAILURES)
    data = data_of(page)
    who = [(network["arm"], network["pair"]) for network in data["networks"]]
    accuracy = data["curves"][0]["values"]["train"]
    sound, dead, diverged = (
        accuracy[who.index(key)] for key in (("pretrained", 0), ("scratch", 1), ("pretrained", 2))
    )
    assert sound[-1] == pytest.approx(0.965, abs=0.01)
    assert dead[-1] == pytest.approx(0.1, abs=0.01)
    assert diverged[9] is not None
    assert diverged[10:] == [None] * (len(diverged) - 10)
    # Networks from scratch were not pre-trained.
    pretraining = data["curves"][0]["values"]["pretrain"]
    assert set(pretraining[who.index(("scratch", 0))]) == {None}
    assert None not in pretraining[who.index(("pretrained", 0))]


def test_a_far_off_failure_does_not_squash_the_others(made):
    _, page = made(failures=FAILURES)
    left, right, bottom, top = data_of(page)["planes"][0]["frame"]
    assert max(right - left, top - bottom) < 100 < FAR


def test_words_numbers_and_parameters_are_told(made):
    root, page = made(failures=FAILURES)
    told = text_of(page)
    for part in (*re.split(r"(?<=\.) (?=[A-Z])", CONCLUSION), "2 of 10", "1 from scratch died"):
        assert part in told
    assert "1 pre-trained diverged" in told
    assert "0.996" in told  # trustworthiness, cut
    assert "+51.2 (+3.55 to +104)" in told
    assert "With 5 pairs nothing can be concluded: at least 9 are needed." in told
    assert (root / "params.yaml").read_text().strip() in told
    assert "dynamics replicate RUN" in told
    assert "stand-in" not in re.sub(r"<style>.*?</style>", "", without_plotly(page), flags=re.S)


def test_a_stand_in_stands_out(made):
    _, page = made(original=False)
    assert '<li class="stand-in"><details><summary><b>OMNIGLOT stand-in: glyphs' in page
    assert "a stand-in, not the original" in text_of(page)


def test_text_that_looks_like_html_stays_text(made):
    _, page = made(original=False, conclusion=f"A {NASTY}. Done.", reason=NASTY)
    own = without_plotly(page)
    assert "alert('x')</script>" not in own
    assert "<script>alert" not in own
    assert own.count("</script>") == 3
    assert NASTY in text_of(page)


def test_each_part_that_was_left_out_leaves_a_sensible_page(made):
    _, page = made(tested=False, ranked=False, conclusion="")
    told = text_of(page)
    assert "were not ranked" in told
    assert "trust.nulls is 0" in told
    assert "No conclusion" in told
    plane = data_of(page)["planes"][0]
    assert plane["nulls"] == {}
    assert "wobble" not in plane
    assert "faithfulness" not in plane


def test_the_method_to_believe_most_is_shown_first(made):
    _, page = made(best="som")
    assert data_of(page)["first"] == 1
    assert re.findall(r'name="method" value="(\d)" checked', page) == ["1"]


def test_one_arm_alone_is_not_compared(made):
    _, page = made(arms=("scratch",), pairs=1)
    told, data = text_of(page), data_of(page)
    assert "there is nothing to compare" in told
    assert "OMNIGLOT" not in re.sub(r"pretrain:.*", "", told.split("How to replicate")[0])
    assert list(data["phases"]) == ["train"]
    assert list(data["arms"]) == ["scratch"]


def test_layers_tracked_separately_are_paths_of_the_same_networks(made):
    _, page = made(methods=("pca",), layers=(2, 3), pairs=2)
    data = data_of(page)
    assert len(data["networks"]) == 4
    assert {path["layer"] for path in data["paths"]} == {2, 3}
    assert len(data["paths"]) == 2 * (4 + 2)  # training of all, pre-training of half


@pytest.mark.parametrize(
    ("gone", "error", "mended_by"),
    [
        ("projections/som/coordinates.parquet", ProjectionError, "dvc repro project@som"),
        ("projections/som/quality.json", ProjectionError, "dvc repro project@som"),
        ("measures", DataError, "dvc repro measure"),
        ("metrics/measures.json", DataError, "dvc repro measure"),
        ("ranking/ranking.json", DataError, "dvc repro rank"),
        ("data/mnist.json", DataError, "dvc repro fetch@mnist"),
    ],
)
def test_a_missing_file_is_named_with_what_makes_it(gathered, gone, error, mended_by):
    root, params = gathered
    if (root / gone).is_dir():
        shutil.rmtree(root / gone)
    else:
        (root / gone).unlink()
    with pytest.raises(error, match="does not exist") as caught:
        report.gather(root, params)
    assert gone in str(caught.value)
    assert mended_by in str(caught.value)


def test_projections_of_different_experiments_are_refused(gathered, changed, tmp_path):
    root, params = gathered
    other = tmp_path / "other"
    write_experiment(other, changed({}), methods=FEW, pairs=3)
    (other / "projections" / "som" / "coordinates.parquet").replace(
        root / "projections" / "som" / "coordinates.parquet"
    )
    with pytest.raises(ProjectionError, match="projections/som has other networks or snapshots"):
        report.gather(root, params)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.index(0.99999), "0.999"),
        (numbers.index(None), "–"),
        (numbers.index(float("nan")), "–"),
        (numbers.percent(0.6301), "63.0 %"),
        (numbers.number(1771.4), "1,771"),
        (numbers.number(-0.00467, signed=True), "−0.00467"),
        (numbers.number(51.2, signed=True), "+51.2"),
        (numbers.number(0.0, signed=True), "0"),
        (numbers.p_value(0.0002), "< 0.001"),
        (numbers.short([1.0, 0.12345, float("nan"), -0.00001], 3), [1, 0.123, None, 0]),
    ],
)
def test_numbers_are_written_short(written, expected):
    assert written == expected
