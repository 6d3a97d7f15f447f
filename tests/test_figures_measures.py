"""The figures of the measures show what was measured, can be read, and claim no more."""

import numpy as np
import pytest
from test_figures import GLYPHS, MNIST, OMNIGLOT, assert_readable, data_line, drawn_texts

from deep_learning_dynamics.errors import DataError
from deep_learning_dynamics.figures.by_layer import by_layer_figure
from deep_learning_dynamics.figures.forest import forest_figure
from deep_learning_dynamics.figures.measured import (
    TITLES,
    ByLayer,
    Curves,
    Difference,
    Measured,
    read_measured,
)
from deep_learning_dynamics.figures.over_time import PANELS, over_time_figure, quartiles
from deep_learning_dynamics.figures.panels import page_of_panels
from deep_learning_dynamics.measures import against_nulls, contrast, measure, write
from deep_learning_dynamics.measures.tables import CURVES, LEARNING_MEASURES, PATH_MEASURES

FIGURES = [forest_figure, over_time_figure, by_layer_figure]
EPOCHS = np.concatenate([np.linspace(0, 1, 11), 1 + np.arange(1, 28) / 3])


def difference(name, layer=0, **changes):
    values = {
        "layer": layer,
        "measure": name,
        "pairs": 20,
        "first": 12_345.6,
        "second": 0.123456,
        "difference": -12_345.4,
        "low": -23_456.7,
        "high": 34_567.8,
        "effect_size": -0.6,
        "effect_low": -0.9,
        "effect_high": 0.2,
        "adjusted_p": 0.2,
    }
    if TITLES[name][1] == 100:  # a share
        values |= {
            "first": 0.98765,
            "second": 0.1,
            "difference": -0.98765,
            "low": -1.0,
            "high": 1.0,
        }
    return Difference(**values | changes)


def made_up(pairs=20, arms=("scratch", "pretrained"), layers=6, conclude=True, changes=None):
    """What might have been measured; ``changes`` to the differences by measure or by layer."""
    rng = np.random.default_rng(0)
    changes = changes or {}
    differences = []
    if len(arms) == 2:
        differences = [difference(name, **changes.get(name, {})) for name in TITLES]
        differences += [
            difference(name, layer, **changes.get((layer, name), {}))
            for layer in range(1, layers + 1)
            for name in PATH_MEASURES
        ]
    curves = []
    for arm in arms:
        values = {name: rng.lognormal(0, 1, size=(pairs, len(EPOCHS))) for name in PANELS}
        values["turning_angle"] = rng.uniform(0, 180, size=(pairs, len(EPOCHS)))
        for name in ("speed", "turning_angle"):
            values[name][:, 0] = np.nan
        if len(arms) == 1:
            values["distance_to_partner"][:] = np.nan
        curves.append(Curves(arm, EPOCHS, values))
    by_layer = [
        ByLayer(arm, name, np.arange(1, layers + 1), rng.lognormal(0, 1, size=(layers, pairs)))
        for name in PATH_MEASURES
        for arm in arms
    ]
    return Measured(
        pairs, tuple(arms), tuple(differences), conclude, 9, tuple(curves), tuple(by_layer)
    )


def texts(figure):
    return [text for text, _ in drawn_texts(figure)]


@pytest.mark.parametrize("draw", FIGURES)
@pytest.mark.parametrize("arms", [("scratch", "pretrained"), ("pretrained",)])
@pytest.mark.parametrize(("pairs", "layers"), [(2, 2), (50, 30)])
def test_nothing_overlaps_however_much_was_measured(draw, arms, pairs, layers):
    figure = draw(made_up(pairs, arms, layers), MNIST, GLYPHS)
    if draw is forest_figure and len(arms) == 1:
        assert "one arm alone: there is nothing to compare" in texts(figure)
    else:
        assert_readable(figure)


@pytest.mark.parametrize("draw", FIGURES)
def test_a_stand_in_stands_out(draw):
    assert data_line(draw(made_up(), MNIST, GLYPHS))[GLYPHS.label]


def test_every_measure_and_curve_has_a_title():
    assert list(TITLES) == [*PATH_MEASURES, *LEARNING_MEASURES]
    assert list(PANELS) == list(CURVES)


def test_the_verdict_stands_below_the_title():
    few = forest_figure(made_up(5, conclude=False), MNIST, OMNIGLOT)
    assert "with 5 pairs nothing can be concluded: at least 9 are needed" in texts(few)
    changes = {"path_length": {"adjusted_p": 0.01}, "failed": {"adjusted_p": 0.05}}
    some = forest_figure(made_up(changes=changes), MNIST, OMNIGLOT)
    assert "2 of 11 measures differ at 0.05 after Holm's correction" in texts(some)


def test_each_row_has_its_dot_its_interval_and_its_numbers():
    changes = {
        "straightness": {
            "first": 0.25,
            "second": 0.5,
            "difference": 0.25,
            "low": 0.125,
            "high": 0.375,
            "effect_size": 0.8,
            "effect_low": 0.5,
            "effect_high": 0.95,
            "adjusted_p": 0.0004,
            "pairs": 19,
        }
    }
    figure = forest_figure(made_up(changes=changes), MNIST, OMNIGLOT)
    row = list(TITLES).index("straightness")
    lines = [line for line in figure.axes[0].lines if set(np.ravel(line.get_ydata())) == {row}]
    ends, dot = lines
    assert list(ends.get_xdata()) == [0.5, 0.95]
    assert list(dot.get_xdata()) == [0.8]
    assert dot.get_markerfacecolor() != "white"  # it is significant
    middle = figure.axes[0].transData.transform((0, row))[1]
    written = [(box.x0, text) for text, box in drawn_texts(figure) if box.y0 < middle < box.y1]
    assert [text for _, text in sorted(written)] == [
        "Straightness",
        "0.25",
        "0.5",
        "+0.25 (+0.125 to +0.375)",
        "19",
        "< 0.001",
    ]


def test_a_dot_that_is_not_significant_is_hollow_and_a_missing_one_is_not_drawn():
    nothing = dict.fromkeys(("effect_size", "effect_low", "effect_high", "difference"), np.nan)
    changes = {"failed": nothing | {"low": np.nan, "high": np.nan, "adjusted_p": np.nan}}
    figure = forest_figure(made_up(changes=changes), MNIST, OMNIGLOT)
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert len(dots) == len(TITLES) - 1
    assert all(dot.get_markerfacecolor() == "white" for dot in dots)
    assert "–" in texts(figure)


def test_shares_are_shown_in_percent():
    changes = {
        "final_accuracy": {"first": 0.875, "second": 0.925, "difference": 0.05, "low": np.nan}
    }
    written = texts(forest_figure(made_up(changes=changes), MNIST, OMNIGLOT))
    assert {"87.5", "92.5", "+5"} <= set(written)


def test_bands_hold_the_middle_half_and_leave_out_what_is_not_known():
    values = np.array([[1.0, np.nan], [2, np.nan], [3, 7], [4, np.nan], [1000, np.nan]])
    np.testing.assert_allclose(quartiles(values), [[2, 7], [3, 7], [4, 7]])
    assert np.isnan(quartiles(np.full((3, 2), np.nan))).all()


def test_a_pair_has_one_curve_and_one_arm_alone_has_no_such_panel():
    figure = over_time_figure(made_up(), MNIST, OMNIGLOT)
    curves = {axes.get_title(loc="left"): len(axes.lines) for axes in figure.axes}
    assert curves["Distance within pairs"] == 1
    assert curves["Speed (distance per step)"] == 2
    alone = over_time_figure(made_up(arms=("scratch",)), MNIST, OMNIGLOT)
    assert len(alone.axes) == 5


def test_a_layer_in_which_the_arms_differ_has_filled_dots():
    changes = {(3, "path_length"): {"adjusted_p": 0.01}}
    figure = by_layer_figure(made_up(changes=changes), MNIST, OMNIGLOT)
    filled = [
        (axes.get_title(loc="left"), round(float(np.ravel(line.get_xdata())[0])))
        for axes in figure.axes
        for line in axes.lines
        if line.get_marker() == "o" and line.get_markerfacecolor() != "white"
    ]
    assert filled == [("Path length", 3)] * 2


def test_panels_of_a_page_do_not_overlap():
    _, panels = page_of_panels(7, "title", "note")
    boxes = [axes.get_position() for axes in panels]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(0 < box.y0 < box.y1 < 1 and 0 < box.x0 < box.x1 < 1 for box in boxes)


def test_the_figures_show_what_the_stage_measured(tmp_path):
    from small_stores import Stores

    stores = Stores(tmp_path, pairs=3, diverged=1, hidden=(20, 6, 5))
    found = measure(stores.pretrain, stores.train)
    nulls = against_nulls(found, 0)
    write(found, contrast(found, 0), nulls, tmp_path / "measures", tmp_path / "measures.json")
    measured = read_measured(tmp_path / "measures", tmp_path / "measures.json")
    assert (measured.pairs, measured.arms) == (3, ("scratch", "pretrained"))
    assert (measured.can_conclude, measured.pairs_needed) == (False, 9)
    assert len(measured.differences) == 11 + 3 * 5
    scratch, pretrained = measured.curves
    assert len(scratch.values["speed"]) == 2  # without the one that diverged
    expected = np.linalg.norm(np.diff(stores.trained[3].astype(float), axis=0), axis=1) / 10
    np.testing.assert_allclose(pretrained.values["speed"][0, 1:], expected)
    lengths = [row for row in measured.layers if row.measure == "path_length"]
    assert [row.arm for row in lengths] == ["scratch", "pretrained"]
    assert np.isnan(lengths[0].values).sum() == 3  # its three layers
    for draw in FIGURES:
        assert_readable(draw(measured, MNIST, OMNIGLOT))


def test_without_the_measures_it_says_how_to_make_them(tmp_path):
    with pytest.raises(DataError, match="dvc repro measure"):
        read_measured(tmp_path, tmp_path / "measures.json")
