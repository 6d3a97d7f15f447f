"""The table of measures that ``dynamics compare`` prints."""

from deep_learning_dynamics.cli.compare import _measures
from deep_learning_dynamics.inference.comparisons import Comparison, Comparisons
from deep_learning_dynamics.results import Results


def row(measure, pairs, values, reached=(None, None), p=None):
    return Comparison(
        measure, "", "a", "b", "paired", "network", pairs, pairs, pairs, *values,
        adjusted_p=p, reached_reference=reached[0], reached_other=reached[1],
    )  # fmt: skip


def table(*rows):
    found = Comparisons(None, ("a", "b"), (("a", "b"),), rows, {"a": "first"})
    return _measures(Results(comparisons=found))


def test_numbers_of_pairs_are_named_where_rows_are_about_different_networks():
    loss, length = row("test_loss", 20, (0.5, 0.25), p=0.04), row("distance", 18, (2.0, 3.0))
    assert table(loss, length) == {
        "test loss, first → b": "0.5 nats → 0.25 nats (p 0.04, 20 pairs)",
        "distance, first → b": "2 → 3 (18 pairs)",
    }
    assert table(loss) == {"test loss, first → b": "0.5 nats → 0.25 nats (p 0.04)"}


def test_a_time_that_most_networks_did_not_reach_is_told_from_one_that_is_not_known():
    late = row("when", 20, (255.0, None), reached=(20, 9))
    assert table(late) == {"when, first → b": "255 → not reached"}
    unknown = row("when", 0, (None, None), reached=(0, 0))
    assert table(unknown) == {"when, first → b": "– → –"}
    unknown = row("distance", 20, (None, None))
    assert table(unknown) == {"distance, first → b": "– → –"}
