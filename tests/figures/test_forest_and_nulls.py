"""Forest plots, parameters and null models: figures say what the comparisons found."""

import dataclasses

import numpy as np
import pytest
from made_results import words
from matplotlib.colors import to_rgb

from deep_learning_dynamics import figures
from deep_learning_dynamics.figures.effects import contrast_entries
from deep_learning_dynamics.figures.forest import _cells
from deep_learning_dynamics.figures.style import QUIET, colour
from deep_learning_dynamics.formatting import signed


def rows(results, parameter=False):
    return [i for i in results.comparisons.items if bool(i.parameter) == parameter and i.other]


def test_the_forest_has_a_row_for_each_measure_and_contrast(measured):
    figure = figures.draw("forest", measured)
    effects = next(axes for axes in figure.axes if axes.get_xlabel().startswith("Effect"))
    dots = [each for each in effects.lines if each.get_marker() == "o"]
    known = [row for row in rows(measured) if row.effect is not None]
    assert len(dots) == len(known)
    assert sorted(dot.get_xdata()[0] for dot in dots) == sorted(row.effect for row in known)
    text = words(figure)
    for row in known:
        if row.difference is not None and row.measure == "path_length":
            assert signed(row.difference) in text


def test_dots_are_filled_where_the_difference_is_significant(measured):
    first = rows(measured)[0]
    items = tuple(
        dataclasses.replace(row, adjusted_p=p, effect=0.5)
        for row, p in zip(rows(measured)[:2], (0.04, 0.06), strict=True)
    )
    comparisons = dataclasses.replace(measured.comparisons, items=items)
    figure = figures.draw("forest", dataclasses.replace(measured, comparisons=comparisons))
    effects = next(axes for axes in figure.axes if axes.get_xlabel().startswith("Effect"))
    dots = [each for each in effects.lines if each.get_marker() == "o"]
    assert [dot.get_markerfacecolor() == "white" for dot in dots] == [False, True]
    caption = figures.caption("forest", dataclasses.replace(measured, comparisons=comparisons))
    assert "1 of 2 rows differ" in caption
    assert first.reference == "scratch"


def in_one_contrast(measured, **fields):
    """Results of one contrast whose rows have these fields."""
    items = tuple(
        dataclasses.replace(row, **fields)
        for row in measured.comparisons.items
        if row.other == "pretrained"
    )
    contrasts = (("scratch", "pretrained"),)
    comparisons = dataclasses.replace(measured.comparisons, items=items, contrasts=contrasts)
    return dataclasses.replace(measured, comparisons=comparisons)


def test_partners_have_a_block_of_their_own(measured):
    """What two networks have in common is no value of one group or the other."""
    results = in_one_contrast(measured, effect=-0.5)
    names = [row.measure for row in rows(results)]
    assert names[-2:] == ["partner_distance", "partner_angle"]
    figure = figures.draw("forest", results)
    figure.canvas.draw()
    effects, *columns = figure.axes
    labels = [label.get_text().replace("\n", " ") for label in effects.get_yticklabels()]
    assert labels[-3:-1] == ["Partners against other pairs", "Distance between partners' ends"]
    block = effects.get_yticks()[-3]
    for column, head in zip(columns, ("other pairs", "partners", "", ""), strict=True):
        texts = dict(zip(column.get_yticks(), column.get_yticklabels(), strict=True))
        assert texts[block].get_text() == head
        assert len(texts) == len(names) + 2  # a cell in each row, and two heads
    colours = {
        float(dot.get_ydata()[0]): dot.get_markeredgecolor()
        for dot in effects.lines
        if dot.get_marker() == "o"
    }
    above, below = ({c for y, c in colours.items() if (y > block) == own} for own in (False, True))
    assert below == {to_rgb(QUIET)}
    assert above == {colour(0)}


def test_the_caption_says_when_an_effect_is_one_and_what_was_corrected_together(measured):
    paired = figures.caption("forest", in_one_contrast(measured, adjusted_p=0.01))
    count = len(rows(in_one_contrast(measured))) - 2
    assert f" {count} of {count} rows and 2 of 2 rows of partners differ at 0.05 " in paired
    assert "1 where in every pair that differs the network of the other group has more. " in paired
    assert "over the measures of a contrast and, apart, over its rows of partners; " in paired
    assert "than every one of the reference" not in paired
    kept = [row for row in in_one_contrast(measured).comparisons.items if row.design == "paired"]
    items = tuple(dataclasses.replace(row, design="independent", pairs=None) for row in kept)
    comparisons = dataclasses.replace(measured.comparisons, items=items)
    apart = figures.caption("forest", dataclasses.replace(measured, comparisons=comparisons))
    assert "1 where every network of the other group has more than every one of the refer" in apart
    assert "pairs" not in apart.partition("Effect: ")[2]
    assert "partners" not in apart


def test_times_that_half_never_reached_say_how_many_did(measured):
    row = dataclasses.replace(
        rows(measured)[0], reference_value=100.0, other_value=None, difference=None, low=None, high=None,
        reached_reference=6, reached_other=2, n_reference=6, n_other=6,
    )  # fmt: skip
    assert _cells(row, narrow=False)[:3] == ["100", "2 of 6", "–"]


def test_contrasts_with_the_same_other_group_are_both_in_the_legend(measured):
    entries = contrast_entries(measured, [("scratch", "pretrained"), ("permuted", "pretrained")])
    assert len({entry.get_label() for entry in entries}) == 2


def test_without_groups_the_figure_gives_the_verdict(measured):
    alone = dataclasses.replace(measured.comparisons, items=())
    results = dataclasses.replace(measured, comparisons=alone)
    assert alone.verdict.sentence.split()[0] in words(figures.draw("forest", results))
    assert "single parameters" in words(figures.draw("by_parameter", results))


def test_the_parameters_that_differ_are_named(measured):
    chosen = [row for row in rows(measured, parameter=True) if row.effect is not None]
    items = tuple(
        dataclasses.replace(
            row, adjusted_p=0.01 if row.parameter == "hidden.bias" and row.measure == "straightness"
            else 0.5,
        )
        for row in chosen
    )  # fmt: skip
    comparisons = dataclasses.replace(measured.comparisons, items=items)
    caption = figures.caption(
        "by_parameter", dataclasses.replace(measured, comparisons=comparisons)
    )
    assert caption.startswith(
        "The straightness differs between pre-trained and from scratch in 1 of 3"
    )
    assert "hidden.bias" in caption


def by_parameter(measured, contrasts=2, **fields):
    """The caption where rows of single parameters have these fields, and others do not differ."""
    kept = dict.fromkeys((row.reference, row.other) for row in rows(measured, parameter=True))
    items = tuple(
        dataclasses.replace(row, **({"adjusted_p": 0.5, "smallest_p": 1e-6} | fields))
        for row in rows(measured, parameter=True)
        if (row.reference, row.other) in list(kept)[:contrasts]
    )
    comparisons = dataclasses.replace(measured.comparisons, items=items)
    return figures.caption("by_parameter", dataclasses.replace(measured, comparisons=comparisons))


def test_too_few_networks_to_tell_are_not_said_to_be_alike(measured):
    few = "There are too few networks to tell whether single parameters differ "
    alike = "No single parameter differs significantly "
    assert by_parameter(measured, 1, smallest_p=0.01).startswith(
        few + "between pre-trained and from scratch: no p-value could reach 0.05"
    )
    assert by_parameter(measured, 2, smallest_p=0.01).startswith(few + "in any of 2 contrasts")
    assert by_parameter(measured, 1).startswith(alike + "between pre-trained and from scratch.")
    assert by_parameter(measured, 2).startswith(alike + "in any of 2 contrasts.")


def test_the_contrast_in_which_most_parameters_differ_is_named(measured):
    items = tuple(
        dataclasses.replace(row, adjusted_p=0.01 if row.other == "permuted" else 0.5)
        for row in rows(measured, parameter=True)
    )
    comparisons = dataclasses.replace(measured.comparisons, items=items)
    caption = figures.caption(
        "by_parameter", dataclasses.replace(measured, comparisons=comparisons)
    )
    assert "differs between permuted and from scratch in 3 of 3" in caption.split(". ")[0]
    assert "No other contrast differs in more." in caption


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"effect": 1.0, "design": "paired"}, "(none where all pairs agree)"),
        ({"effect": 1.0, "design": "partners"}, "(none where all pairs agree)"),
        ({"effect": -1.0, "design": "independent"}, "(none where groups do not overlap)"),
        ({"effect": 0.5, "n_other": 4}, "(none where a group has fewer than 5 networks)"),
    ],
)
def test_figures_say_why_effects_have_no_interval(fields, says, measured):
    gone = {"effect_low": None, "effect_high": None} | fields
    items = tuple(dataclasses.replace(row, **gone) for row in measured.comparisons.items)
    comparisons = dataclasses.replace(measured.comparisons, items=items)
    bare = dataclasses.replace(measured, comparisons=comparisons)
    whole = tuple(
        dataclasses.replace(row, effect=0.5, effect_low=0.1, effect_high=0.9) for row in items
    )
    comparisons = dataclasses.replace(measured.comparisons, items=whole)
    for key in ("forest", "by_parameter"):
        assert f"Lines: 95 % {says}." in words(figures.draw(key, bare)).replace("\n", " ")
        complete = dataclasses.replace(measured, comparisons=comparisons)
        assert "none where" not in words(figures.draw(key, complete))


@pytest.mark.parametrize(
    ("shift", "says"),
    [
        (5.0, "worse than those of"),
        (-5.0, "better than those of"),
        (0.0, "No difference was found"),
    ],
)
def test_null_figures_say_what_the_tests_found(shift, says, make_results):
    results = make_results(pairs=2)
    projection = results.projections["pca"]
    real = projection.robustness.real
    rng = np.random.default_rng(0)
    nulls = {
        "momentum_walk": {
            key: value + 0.01 * (shift + rng.normal(size=99)) for key, value in real.items()
        }
    }
    robustness = dataclasses.replace(projection.robustness, nulls=nulls)
    projection = dataclasses.replace(projection, robustness=robustness)
    results = dataclasses.replace(results, projections={"pca": projection})
    caption = figures.caption("nulls", results, "pca")
    assert says in caption.split(".")[0]
    assert "walks with momentum" in caption
    text = words(figures.draw("nulls", results, variant="pca")).replace("\n", " ")
    assert "A value outside a bar may be “not significant”, because p-values are corrected" in text
    assert ("  not significant" in text) == (shift == 0)


def test_null_figures_say_which_snapshots_their_numbers_are_of(make_results):
    results = make_results(pairs=2, robust=True)
    projection = results.projections["pca"]
    table = projection.coordinates
    place = table.groupby("path").cumcount().to_numpy()
    some = np.where((place < 3)[:, None], table[["x", "y"]], np.nan)
    sentences = (
        (
            some,
            f"Real and null numbers are of fits to {3 * table['path'].nunique()} of "
            f"{len(table)} snapshots (3 of each path), and so differ from those of the whole "
            "picture.",
        ),
        (
            table[["x", "y"]].to_numpy(),
            f"Real and null numbers are of fits to all {len(table)} snapshots.",
        ),
    )
    for example, says in sentences:
        robustness = dataclasses.replace(
            projection.robustness,
            examples=dict.fromkeys(projection.robustness.examples, example),
        )
        drawn = dataclasses.replace(projection, robustness=robustness)
        changed = dataclasses.replace(results, projections={"pca": drawn})
        assert says in figures.caption("nulls", changed, "pca")
        figure = figures.draw("nulls", changed, variant="pca")
        assert says in words(figure).replace("\n", " ")


def test_too_few_nulls_are_not_tested(make_results):
    results = make_results(pairs=2)
    projection = results.projections["pca"]
    nulls = {
        model: {key: values[:5] for key, values in of.items()}
        for model, of in projection.robustness.nulls.items()
    }
    robustness = dataclasses.replace(projection.robustness, nulls=nulls)
    few = dataclasses.replace(projection, robustness=robustness)
    caption = figures.caption(
        "nulls", dataclasses.replace(results, projections={"pca": few}), "pca"
    )
    assert caption.startswith("Not tested against walks with momentum and shuffled steps")
