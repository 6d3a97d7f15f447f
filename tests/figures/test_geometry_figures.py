"""What the figures of function space, representations, spectra and regions say is so."""

import re
from dataclasses import replace

import numpy as np
import pytest
from analysed import Layers

from deep_learning_dynamics import figures
from deep_learning_dynamics.formatting import percent
from deep_learning_dynamics.geometry import Geometry, analyse
from deep_learning_dynamics.inference import regions
from deep_learning_dynamics.results import Results

KEYS = ("function_space", "representations", "spectra", "regions")


def first_sentence(key, results):
    return re.split(r"(?<=[a-z)])\. ", figures.caption(key, results))[0]


def test_progress_at_the_end_is_the_median_of_each_group(of_layers):
    rows = of_layers.geometry.get("function_space").tables["rows"]
    ends = rows[rows["step"] == 400].groupby("condition")["progress"].median()
    assert first_sentence("function_space", of_layers) == (
        f"Networks end {percent(ends['scratch'])} (from scratch) and "
        f"{percent(ends['pretrained'])} (pre-trained) of the way from ignorance to the truth "
        "(medians)"
    )
    assert ends["scratch"] > ends["pretrained"]


def test_distances_and_stress_of_function_space_are_those_of_the_tables(of_layers):
    finding, caption = (
        of_layers.geometry.get("function_space"),
        figures.caption("function_space", of_layers),
    )
    ends = finding.tables["ends"].groupby("relation")["distance"].median()
    assert (
        f"Median distance between last predictions: {ends['twin']:.3g} of rounding twins, "
        f"{ends['pair']:.3g} of partners and {ends['']:.3g} of other networks."
    ) in caption
    share = 100 * finding.numbers["explained_stress"][1]
    assert f"The plane explains {share:.1f} % of the stress." in caption
    assert "12 networks, 60 snapshots, 12 probe examples." in caption


def test_the_plane_shows_the_first_two_components(of_layers):
    rows = of_layers.geometry.get("function_space").tables["rows"]
    figure = figures.draw("function_space", of_layers)
    axes = next(each for each in figure.axes if each.get_xlabel().startswith("InPCA 1"))
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    sound = rows[~((rows["condition"] == "scratch") & (rows["pair"] % 3 == 0))]
    assert low < sound["c1"].min() < sound["c1"].max() < high
    assert bottom < sound["c2"].min() < sound["c2"].max() < top
    signs = of_layers.geometry.get("function_space").numbers["signs"][:2]
    labels = (axes.get_xlabel(), axes.get_ylabel())
    assert [label.endswith("(negative)") for label in labels] == [sign < 0 for sign in signs]


def test_without_labels_the_first_sentence_is_about_distances(layers):
    bare = layers.drop_vars("label")
    geometry = analyse(bare, analyses=["function_space"])
    results = replace(Results.of(bare, methods=()), geometry=geometry)
    assert first_sentence("function_space", results).startswith("Median distance between last")
    assert figures.draw("function_space", results).axes


def test_the_median_similarity_is_that_of_all_layers(of_layers):
    ends = (
        of_layers.geometry.get("representations").tables["ends"].groupby("relation")["cka"].median()
    )
    assert first_sentence("representations", of_layers) == (
        f"At the end the median CKA of a layer is {ends['twin']:.2g} between rounding twins, "
        f"{ends['pair']:.2g} between partners and {ends['group']:.2g} between networks of a group"
    )
    caption = figures.caption("representations", of_layers)
    over_time = of_layers.geometry.get("representations").tables["over_time"].query("step == 0")
    starts = over_time.groupby(["condition", "network"])["cka"].mean().groupby("condition").median()
    values = re.search(r"have a median CKA of (.*) \(from scratch\) and (.*) \(pre", caption)
    assert [float(values[1].replace("−", "-")), float(values[2].replace("−", "-"))] == [
        pytest.approx(starts[name], rel=0.06) for name in ("scratch", "pretrained")
    ]


def test_exponents_are_compared_with_those_of_shuffled_entries(of_layers):
    table = of_layers.geometry.get("spectra").tables["layers"].query("step == 400")
    mine = table[table["parameter"] == "hidden.weight"]
    below = int((mine["spectral_exponent"] < mine["null_exponent"]).sum())
    many, side = max((below, "below"), (len(mine) - below, "above"))
    medians = [f"{mine[key].median():.3g}" for key in ("spectral_exponent", "null_exponent")]
    assert first_sentence("spectra", of_layers) == (
        f"The spectral exponent of hidden.weight lies {side} that of the same entries in random "
        f"places in {many} of 12 networks (median {medians[0]} against {medians[1]})"
    )
    assert "The layer has 9 eigenvalues: too few" in figures.caption("spectra", of_layers)
    labels = [axes.get_ylabel() for axes in figures.draw("spectra", of_layers).axes]
    assert labels[0] == "Weight"
    assert labels[-1] == "Exponent"


def test_without_exponents_the_first_sentence_is_about_the_spread(of_layers):
    finding = of_layers.geometry.get("spectra")
    table = finding.tables["layers"].assign(spectral_exponent=np.nan)
    changed = Geometry({"spectra": replace(finding, tables={"layers": table})})
    assert figures.caption("spectra", replace(of_layers, geometry=changed)).startswith(
        "The middle 90 % of the weights spread more at the end than at the start in 2 of 2 layers; "
        "no layer has the 8 eigenvalues"
    )


def test_the_answer_on_regions_is_that_of_the_test(of_layers):
    tested = regions(of_layers.geometry)
    caption = figures.caption("regions", of_layers)
    assert caption.startswith(tested.sentence)
    assert "closer to each other than to networks that failed" in caption
    assert (tested.learnt, tested.failed) == (10, 2)
    figure = figures.draw("regions", of_layers)
    points = [len(line.get_xdata()) for line in figure.axes[0].lines if line.get_marker() == "."]
    assert points == [45, 20, 1]


def test_a_network_alone_is_drawn(layers):
    alone = layers.isel(network=[2]).drop_vars(["condition", "pair", "twin"])
    geometry = analyse(alone, by=None, analyses=KEYS, forward=Layers())
    assert list(geometry.findings) == ["function_space", "representations", "spectra"]
    results = Results(geometry=geometry)
    assert "no two networks" in figures.caption("function_space", results)
    assert "No two networks" in figures.caption("representations", results)
    for key in geometry.findings:
        assert figures.draw(key, results).axes


def test_one_group_without_partners_and_twins_is_drawn(layers):
    alone = layers.isel(network=[0, 2, 4, 6]).drop_vars(["condition", "pair", "twin"])
    geometry = analyse(alone, by=None, analyses=KEYS, forward=Layers())
    results = Results(geometry=geometry)
    assert list(geometry.findings) == list(KEYS)
    assert "between networks of a group." in figures.caption("representations", results)
    for key in KEYS:
        assert figures.draw(key, results).axes
        assert figures.caption(key, results)


def test_the_swatches_of_spectra_differ_without_colour(of_layers):
    (legend,) = figures.draw("spectra", of_layers).subfigs[0].legends
    swatches = legend.get_patches()
    assert len(swatches) == 2
    assert [bool(each.get_hatch()) for each in swatches] == [False, True]
