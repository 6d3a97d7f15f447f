"""Learning curves of known shape have known times and means."""

import numpy as np
import pytest

from deep_learning_dynamics.geometry.learning import mean_over_steps, steps_to

ACCURACY, STEPS = np.array([0.1, 0.4, 0.8, 0.7, 0.9]), np.array([0, 10, 20, 120, 220])


@pytest.mark.parametrize(
    ("target", "steps"), [(0.05, 0), (0.4, 10), (0.5, 12.5), (0.8, 20), (0.85, 195), (0.9, 220)]
)
def test_steps_to_an_accuracy_lie_on_the_line_between_snapshots(target, steps):
    assert steps_to(target, ACCURACY, STEPS) == pytest.approx(steps)


def test_an_accuracy_of_exactly_90_percent_is_reached_though_stored_in_single_precision():
    assert steps_to(0.9, ACCURACY.astype(np.float32), STEPS) == 220


def test_an_accuracy_that_is_never_reached_takes_for_ever_and_one_unrecorded_is_unknown():
    assert steps_to(0.95, ACCURACY, STEPS) == np.inf
    assert np.isnan(steps_to(0.5, np.full(5, np.nan), STEPS))


def test_what_was_reached_before_a_divergence_stays_reached():
    diverged = np.where(STEPS > 20, np.nan, ACCURACY)
    assert steps_to(0.5, diverged, STEPS) == pytest.approx(12.5)
    assert steps_to(0.9, diverged, STEPS) == np.inf
    assert np.isnan(mean_over_steps(diverged, STEPS))


def test_the_mean_does_not_depend_on_where_snapshots_are_dense():
    even, dense = np.arange(0, 110, 10), np.array([0, 1, 2, 3, 50, 100])
    for steps in (even, dense):
        assert mean_over_steps(0.1 + 0.008 * steps, steps) == pytest.approx(0.5)
    assert dense.mean() != even.mean()  # the mean over snapshots would depend on it
