"""Colours and scales: equal scores are equally light, whatever the group."""

import numpy as np
import pandas as pd
import pytest

from deep_learning_dynamics.figures.groups import Groups, titles_for
from deep_learning_dynamics.figures.page import wrapped
from deep_learning_dynamics.figures.style import (
    HUES,
    ScoreScale,
    colour,
    end_marker,
    group_entries,
    ramp,
    with_unit,
)


def lightness(rgb):
    """CIE L* of sRGB."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(luminance) - 16


def test_groups_are_equally_light_at_equal_scores():
    for position in np.linspace(0, 1, 13):
        light = [lightness(np.array(colour(group, position))) for group in range(len(HUES))]
        assert np.ptp(light) < 1.5
    falling = [lightness(np.array(colour(0, position))) for position in np.linspace(0, 1, 13)]
    assert (np.diff(falling) < -2).all()
    assert falling[0] == pytest.approx(76, abs=1)
    assert falling[-1] == pytest.approx(30, abs=1)


def test_any_number_of_groups_can_be_told_apart():
    looks = {(colour(group), end_marker(group)) for group in range(8 * len(HUES))}
    assert len(looks) == 8 * len(HUES)


def test_shares_go_in_even_steps_of_the_error():
    scale = ScoreScale.over("test_accuracy", [0.1, 0.95])
    at = scale.position(np.array([0.6, 0.8, 0.9]))
    assert at[1] - at[0] == pytest.approx(at[2] - at[1], rel=0.01)  # each halves the error
    assert scale.position(np.array([0.0, 0.1, 0.95, 1.0, np.nan])).tolist() == [0, 0, 1, 1, 0]
    assert scale.backward(scale.forward(0.7)) == pytest.approx(0.7)
    assert [scale.label(tick) for tick in scale.ticks()] == ["10", "50", "70", "80", "90", "95"]


def test_other_scores_are_logarithmic_only_where_they_span_a_decade():
    assert ScoreScale.over("test_loss", [0.01, 2.0]).spacing == "log"
    assert ScoreScale.over("test_loss", [0.5, 2.0]).spacing == "linear"
    assert ScoreScale.over("reward", [-5.0, 2000.0]).spacing == "linear"
    assert ScoreScale.over("test_loss", [np.nan]) is None
    constant = ScoreScale.over("test_loss", [2.0, 2.0])
    assert np.isfinite(constant.position(np.array([2.0]))).all()


def test_groups_come_in_the_order_of_networks_that_none_continues():
    table = pd.DataFrame(
        {
            "network": ["before", "a", "b", "t"],
            "condition": ["pretrained", "scratch", "pretrained", "twin"],
            "continues": ["", "", "before", ""],
            "twin": [False, False, False, True],
        }
    )
    groups = Groups.of(table, "condition", {"condition": {"pretrained": "pre-trained"}})
    assert groups.values == ("scratch", "pretrained")
    assert groups.title(1) == "pre-trained"
    assert groups.numbers(table).tolist() == [1, 0, 1, -1]
    assert len(Groups.of(table, "optimiser", {})) == 1


def test_numbers_as_groups_say_what_they_are():
    table = pd.DataFrame({"network": ["a", "b"], "learning_rate": [0.1, 0.03]})
    assert Groups.of(table, "learning_rate", {}).title(0) == "learning rate 0.1"


def test_numbers_as_groups_are_short_but_distinct():
    def titles(*values):
        table = pd.DataFrame({"network": map(str, values), "rate": values})
        return list(Groups.of(table, "rate", {}).titles.values())

    assert titles(0.4641588833612779, 4.641588833612782e-05) == ["rate 0.464", "rate 4.64e-05"]
    assert titles(0.46415, 0.46416, 1.0) == ["rate 0.46415", "rate 0.46416", "rate 1"]
    assert titles(16, 1024) == ["rate 16", "rate 1024"]
    as_text = titles_for("rate", ["0.4641588833612779", "1.0", "warm"], {"warm": "warm start"})
    assert list(as_text.values()) == ["rate 0.464", "rate 1", "warm start"]


@pytest.mark.parametrize(
    "values", [[16, 1024], [16.0, 1024.0], [0.1, 0.4641588833612779], [True, False], ["1.0", "1"]]
)
def test_values_that_analyses_wrote_as_text_have_the_titles_of_the_legend(values):
    legend = titles_for("width", values, {})
    assert list(legend.values()) == list(titles_for("width", list(map(str, values)), {}).values())
    assert len(set(legend.values())) == 2
    assert titles_for("width", ["16", "1024"], {})["1024"] == "width 1024"


def test_text_that_no_number_is_written_as_stays_as_it_is():
    known = ["0128", "1e10", "0100", "nan", "inf", "1_000", "12345678901234567890"]
    assert list(titles_for("commit", known, {}).values()) == known
    assert titles_for("width", ["0128", "128"], {}) == {"0128": "0128", "128": "width 128"}


def test_legends_have_the_signs_of_ends_where_these_differ():
    many = Groups("x", {number: f"group {number}" for number in range(10)})
    signs = [entry.get_marker() for entry in group_entries(many, range(10), ends=True)]
    assert signs == [end_marker(number) for number in range(10)]
    assert len(set(signs)) == 2
    few = [entry.get_marker() for entry in group_entries(many, range(8), ends=True)]
    assert set(few) == {"None"}


def test_units_are_said_once():
    assert with_unit("test_accuracy") == "Test accuracy (%)"
    assert with_unit("unheard_of") == "Unheard of"
    assert ramp(0) is ramp(len(HUES))


@pytest.mark.parametrize("width", [1.4, 1.5, 1.6, 1.7, 2.3])
def test_no_line_begins_or_ends_with_the_dot_between_parts(width):
    shown = wrapped("trustworthiness\u00a00.959 · distances\u00a0ρ\u00a00.384", width, 8.0)
    assert shown == "trustworthiness\u00a00.959\ndistances\u00a0ρ\u00a00.384"
