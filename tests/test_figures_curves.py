"""The learning curves: medians of all networks, those that failed marked, beside chance."""

import numpy as np
import pytest
from test_figures import GLYPHS, MNIST, OMNIGLOT, assert_readable, data_line, drawn_texts

from deep_learning_dynamics.figures import Scores, learning_curves_figure, scores_of
from deep_learning_dynamics.figures.learning_curves import median
from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.trajectories import (
    Member,
    Schedule,
    SnapshotWriter,
    open_snapshots,
)
from deep_learning_dynamics.trajectories import Scores as SnapshotScores

EPOCHS = np.concatenate([np.linspace(0, 1, 11), 1 + np.arange(1, 28) / 3])


def curve(arm, pair, final, failed=""):
    accuracy = final - (final - 0.1) * np.exp(-2 * EPOCHS)
    loss = -np.log(accuracy)
    if failed == "diverged":
        accuracy[9:], loss[8], loss[9:] = np.nan, 1e20, np.nan
    return Scores(arm, pair, failed, EPOCHS, accuracy, loss)


def training(pairs=5, arms=("scratch", "pretrained")):
    curves = [curve(arm, pair, 0.9 + 0.01 * (pair % 10)) for arm in arms for pair in range(pairs)]
    curves[0] = curve(arms[0], 0, 0.1, "dead")
    curves[-1] = curve(arms[-1], pairs - 1, 0.9, "diverged")
    return curves


def pretraining(pairs=5):
    return [curve("pretrained", pair, 0.2 + 0.01 * (pair % 10)) for pair in range(pairs)]


def texts(figure):
    return [text for text, _ in drawn_texts(figure)]


@pytest.mark.parametrize("pairs", [2, 5, 50])
def test_nothing_overlaps_however_many_networks(pairs):
    assert_readable(learning_curves_figure(training(pairs), pretraining(pairs), MNIST, GLYPHS))


def test_the_median_is_over_all_networks_because_failing_is_part_of_an_arm():
    curves = [
        curve("scratch", 0, 0.1, "dead"),
        *(curve("scratch", p, f) for p, f in ((1, 0.8), (2, 0.9))),
    ]
    assert median(curves, "test_accuracy")[-1] == pytest.approx(0.8, abs=0.001)


def test_a_diverged_network_is_left_out_of_the_median_from_where_it_has_no_score():
    curves = [curve("scratch", 0, 0.1, "dead"), curve("scratch", 1, 0.9, "diverged")]
    middle = median(curves, "test_accuracy")
    assert middle[-1] == pytest.approx(0.1)
    assert np.isfinite(middle).all()


def test_the_heading_tells_where_each_arm_ended_and_how_many_failed():
    assert (
        "median test accuracy at the end: "
        "from scratch 92.0 % (1 of 5 failed) · pre-trained 91.5 % (1 of 5 failed)"
    ) in texts(learning_curves_figure(training(), pretraining(), MNIST, OMNIGLOT))


def test_a_diverged_network_does_not_set_the_scale_of_the_loss():
    figure = learning_curves_figure(training(), pretraining(), MNIST, OMNIGLOT)
    assert figure.axes[1].get_ylim()[1] < 5


@pytest.mark.parametrize(("low", "high"), [(1e-9, 10.0), (0.3, 2.3), (2.29, 2.31)])
def test_the_loss_has_legible_ticks_however_far_it_fell(low, high):
    losses = np.geomspace(high, low, len(EPOCHS))
    curves = [Scores("scratch", 0, "", EPOCHS, np.linspace(0.1, 0.9, len(EPOCHS)), losses)]
    figure = learning_curves_figure(curves, [], MNIST, OMNIGLOT)
    assert_readable(figure)
    assert 1 <= len(figure.axes[1].get_yticks()) <= 9


def test_chance_is_one_in_as_many_as_there_are_classes():
    figure = learning_curves_figure(training(), pretraining(), MNIST, OMNIGLOT)
    assert "chance: 3.3 % of 30 classes" in texts(figure)
    levels = [line.get_ydata() for line in figure.axes[2].lines if len(line.get_xdata()) == 2]
    assert levels == [[1 / 30, 1 / 30]]


def test_the_first_epoch_has_at_least_a_third_of_the_width():
    figure = learning_curves_figure(training(), pretraining(), MNIST, OMNIGLOT)
    axes = figure.axes[0]
    start, end = axes.transData.transform([(0, 0.5), (1, 0.5)])[:, 0]
    assert (end - start) / axes.bbox.width > 1 / 3


def test_failed_networks_are_dashed_and_no_others():
    figure = learning_curves_figure(training(), pretraining(), MNIST, OMNIGLOT)
    lines = figure.axes[0].lines
    assert len([line for line in lines if line.is_dashed()]) == 2
    assert len(lines) == 10 + 4  # every network, and each median with its white edge
    assert "one that failed" in texts(figure)
    sound = [curve("scratch", pair, 0.9) for pair in range(3)]
    assert "one that failed" not in texts(learning_curves_figure(sound, [], MNIST, OMNIGLOT))


def test_without_a_pre_training_there_is_no_panel_for_it():
    figure = learning_curves_figure(training(arms=("scratch",)), [], MNIST, GLYPHS)
    assert_readable(figure)
    assert len(figure.axes) == 2
    assert "OMNIGLOT stand-in: glyphs" not in data_line(figure)


def test_a_stand_in_stands_out():
    assert data_line(learning_curves_figure(training(), pretraining(), MNIST, GLYPHS))[GLYPHS.label]


def test_scores_come_out_of_the_store_as_they_were_put_in(tmp_path):
    architecture = Architecture((4, 3, 2), "relu")
    schedule = Schedule(np.array([0, 5, 10]), 5)
    members = [Member("scratch", 3), Member("pretrained", 3)]
    path = tmp_path / "train.zarr"
    with SnapshotWriter(path, members, architecture, schedule, 1, {}) as writer:
        for step in range(3):
            values = np.array([0.1 * step, np.nan])
            scores = SnapshotScores(values, values, 2 + values, 0.5 + values, np.zeros((2, 1, 2)))
            writer.add(np.zeros((2, architecture.size)), scores)
        writer.mark_failed(["", "diverged"])
    sound, diverged = scores_of(open_snapshots(path))
    assert (sound.arm, sound.pair, sound.failed) == ("scratch", 3, "")
    assert (diverged.arm, diverged.failed) == ("pretrained", "diverged")
    np.testing.assert_allclose(sound.epochs, [0, 1, 2])
    np.testing.assert_array_equal(sound.test_accuracy, [0.5, 0.6, 0.7])  # not 0.6999999
    np.testing.assert_allclose(sound.test_loss, [2, 2.1, 2.2], rtol=1e-6)
    assert np.isnan(diverged.test_accuracy).all()
