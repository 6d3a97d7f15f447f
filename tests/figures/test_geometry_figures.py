"""What the figures of function space, representations, spectra and regions say is so."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_results import TITLES

from deep_learning_dynamics import figures
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.figures.figure import available
from deep_learning_dynamics.formatting import percent
from deep_learning_dynamics.geometry import Geometry, analyse
from deep_learning_dynamics.inference import regions
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.store import Parameters, StoreWriter, open

KEYS = ("function_space", "representations", "spectra", "regions")
SHAPES = {"hidden.weight": (9, 12), "hidden.bias": (9,), "output.weight": (3, 9)}
PAIRS, SNAPSHOTS, PROBES = 6, 5, 12
LABELS = np.arange(PROBES) % 3


class Layers:
    """One hidden layer without an activation."""

    inputs = np.random.default_rng(0).normal(size=(30, 12))

    def scores(self, weights):
        raise AssertionError("not needed")

    def activations(self, weights):
        hidden = self.inputs @ weights[:108].reshape(9, 12).T
        return {"hidden": hidden, "squared": hidden**2}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Six pairs of two conditions, each network with a twin; every third from scratch fails."""
    rng = np.random.default_rng(1)
    rows = [
        (f"{condition}-{pair}{'/twin' * twin}", condition, pair, twin)
        for condition in ("scratch", "pretrained")
        for pair in range(PAIRS)
        for twin in (False, True)
    ]
    table = pd.DataFrame(rows, columns=["network", "condition", "pair", "twin"])
    failed = ((table["condition"] == "scratch") & (table["pair"] % 3 == 0)).to_numpy()
    size = Parameters.of(SHAPES).size
    ends = (
        np.repeat(rng.normal(size=(2 * PAIRS, size)), 2, axis=0) * np.where(failed, 5, 1)[:, None]
    )
    starts = 0.1 * rng.normal(size=ends.shape)
    sure = np.where(failed, 0.1, np.where(table["condition"] == "scratch", 0.9, 0.7))
    sizes = {"probes": PROBES, "classes": 3, "probe_labels": LABELS.tolist()}
    path = tmp_path_factory.mktemp("store") / "runs.zarr"
    attributes = {"titles": TITLES, "activation": "relu"}
    networks = table.set_index("network")
    with StoreWriter(path, networks, Parameters.of(SHAPES), attributes, **sizes) as writer:
        for snapshot in range(SNAPSHOTS):
            share = snapshot / (SNAPSHOTS - 1)
            weights = (1 - share) * starts + share * ends
            mixed = (share * sure)[:, None, None]
            outputs = mixed * np.eye(3)[LABELS] + (1 - mixed) / 3
            noise = rng.uniform(0, 0.02, size=outputs.shape)
            outputs = (outputs + noise) / (outputs + noise).sum(axis=2, keepdims=True)
            accuracy = {"test_accuracy": 0.1 + 0.8 * share * sure}
            steps = np.full(len(table), 100 * snapshot)
            writer.add(steps, weights.astype("f4"), accuracy, outputs.astype("f4"))
    return open(str(path))


@pytest.fixture(scope="module")
def found(runs):
    geometry = analyse(runs, analyses=KEYS, forward=Layers())
    return replace(Results.of(runs, methods=()), geometry=geometry)


def first_sentence(key, results):
    return re.split(r"(?<=[a-z)])\. ", figures.caption(key, results))[0]


def test_progress_at_the_end_is_the_median_of_each_group(found):
    rows = found.geometry.get("function_space").tables["rows"]
    ends = rows[rows["step"] == 400].groupby("condition")["progress"].median()
    assert first_sentence("function_space", found) == (
        f"Networks end {percent(ends['scratch'])} (from scratch) and "
        f"{percent(ends['pretrained'])} (pre-trained) of the way from ignorance to the truth "
        "(medians)"
    )
    assert ends["scratch"] > ends["pretrained"]


def test_distances_and_stress_of_function_space_are_those_of_the_tables(found):
    finding, caption = (
        found.geometry.get("function_space"),
        figures.caption("function_space", found),
    )
    ends = finding.tables["ends"].groupby("relation")["distance"].median()
    assert (
        f"Median distance between last predictions: {ends['twin']:.3g} of rounding twins, "
        f"{ends['pair']:.3g} of partners and {ends['']:.3g} of other networks."
    ) in caption
    share = 100 * finding.numbers["explained_stress"][1]
    assert f"The plane explains {share:.1f} % of the stress." in caption
    assert "12 networks, 60 snapshots, 12 probe examples." in caption


def test_the_plane_shows_the_first_two_components(found):
    rows = found.geometry.get("function_space").tables["rows"]
    figure = figures.draw("function_space", found)
    axes = next(each for each in figure.axes if each.get_xlabel().startswith("InPCA 1"))
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    sound = rows[~((rows["condition"] == "scratch") & (rows["pair"] % 3 == 0))]
    assert low < sound["c1"].min() < sound["c1"].max() < high
    assert bottom < sound["c2"].min() < sound["c2"].max() < top
    signs = found.geometry.get("function_space").numbers["signs"][:2]
    labels = (axes.get_xlabel(), axes.get_ylabel())
    assert [label.endswith("(negative)") for label in labels] == [sign < 0 for sign in signs]


def test_without_labels_the_first_sentence_is_about_distances(runs):
    bare = runs.drop_vars("label")
    geometry = analyse(bare, analyses=["function_space"])
    results = replace(Results.of(bare, methods=()), geometry=geometry)
    assert first_sentence("function_space", results).startswith("Median distance between last")
    assert figures.draw("function_space", results).axes


def test_the_median_similarity_is_that_of_all_layers(found):
    ends = found.geometry.get("representations").tables["ends"].groupby("relation")["cka"].median()
    assert first_sentence("representations", found) == (
        f"At the end the median CKA of a layer is {ends['twin']:.2g} between rounding twins, "
        f"{ends['pair']:.2g} between partners and {ends['group']:.2g} between networks of a group"
    )
    caption = figures.caption("representations", found)
    over_time = found.geometry.get("representations").tables["over_time"].query("step == 0")
    starts = over_time.groupby(["condition", "network"])["cka"].mean().groupby("condition").median()
    values = re.search(r"have a median CKA of (.*) \(from scratch\) and (.*) \(pre", caption)
    assert [float(values[1].replace("−", "-")), float(values[2].replace("−", "-"))] == [
        pytest.approx(starts[name], rel=0.06) for name in ("scratch", "pretrained")
    ]


def test_exponents_are_compared_with_those_of_shuffled_entries(found):
    table = found.geometry.get("spectra").tables["layers"].query("step == 400")
    mine = table[table["parameter"] == "hidden.weight"]
    below = int((mine["spectral_exponent"] < mine["null_exponent"]).sum())
    many, side = max((below, "below"), (len(mine) - below, "above"))
    medians = [f"{mine[key].median():.3g}" for key in ("spectral_exponent", "null_exponent")]
    assert first_sentence("spectra", found) == (
        f"The spectral exponent of hidden.weight lies {side} that of the same entries in random "
        f"places in {many} of 12 networks (median {medians[0]} against {medians[1]})"
    )
    assert "The layer has 9 eigenvalues: too few" in figures.caption("spectra", found)


def test_without_exponents_the_first_sentence_is_about_the_spread(found):
    finding = found.geometry.get("spectra")
    table = finding.tables["layers"].assign(spectral_exponent=np.nan)
    changed = Geometry({"spectra": replace(finding, tables={"layers": table})})
    assert figures.caption("spectra", replace(found, geometry=changed)).startswith(
        "The middle 90 % of the weights spread more at the end than at the start in 2 of 2 layers; "
        "no layer has the 8 eigenvalues"
    )


def test_the_answer_on_regions_is_that_of_the_test(found):
    tested = regions(found.geometry)
    caption = figures.caption("regions", found)
    assert caption.startswith(tested.sentence)
    assert "closer to each other than to networks that failed" in caption
    assert (tested.learnt, tested.failed) == (10, 2)
    figure = figures.draw("regions", found)
    points = [len(line.get_xdata()) for line in figure.axes[0].lines if line.get_marker() == "."]
    assert points == [45, 20, 1]


@pytest.mark.parametrize("width", [7.0, 3.35])
@pytest.mark.parametrize("key", KEYS)
def test_nothing_is_cut_off(found, key, width):
    figure = figures.draw(key, found, width=width)
    figure.canvas.draw()
    box = figure.get_tightbbox()
    assert box.x0 > -0.02
    assert box.x1 < width + 0.02


def test_results_without_a_finding_have_no_such_figure(found):
    bare = replace(found, geometry=Geometry({}))
    assert not set(KEYS) & {key for _, key, _ in available(bare)}
    for key in KEYS:
        with pytest.raises(ParamsError):
            figures.draw(key, bare)


def test_a_network_alone_is_drawn(runs):
    alone = runs.isel(network=[2]).drop_vars(["condition", "pair", "twin"])
    geometry = analyse(alone, by=None, analyses=KEYS, forward=Layers())
    assert list(geometry.findings) == ["function_space", "representations", "spectra"]
    results = Results(geometry=geometry)
    assert "no two networks" in figures.caption("function_space", results)
    assert "No two networks" in figures.caption("representations", results)
    for key in geometry.findings:
        assert figures.draw(key, results).axes


def test_one_group_without_partners_and_twins_is_drawn(runs):
    alone = runs.isel(network=[0, 2, 4, 6]).drop_vars(["condition", "pair", "twin"])
    geometry = analyse(alone, by=None, analyses=KEYS, forward=Layers())
    results = Results(geometry=geometry)
    assert list(geometry.findings) == list(KEYS)
    assert "between networks of a group." in figures.caption("representations", results)
    for key in KEYS:
        assert figures.draw(key, results).axes
        assert figures.caption(key, results)
