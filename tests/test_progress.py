"""Progress where there is no terminal: a plain line per epoch."""

import numpy as np

from deep_learning_dynamics.progress import training_progress
from deep_learning_dynamics.trajectories import Scores


def scores(*accuracies):
    values = np.array(accuracies, np.float32)
    return Scores(values, values, values, values, np.zeros((len(values), 1, 2), np.float32))


def test_each_epoch_has_one_line_with_the_median_accuracy(capsys):
    with training_progress("MNIST", 3, 2) as show:
        for step, epoch in enumerate((0.0, 0.25, 0.5, 1.0, 1.5, 2.0)):
            show(step, epoch, scores(0.1, 0.2 + epoch / 10, np.nan))
    assert capsys.readouterr().err.splitlines() == [
        "MNIST, 3 networks: epoch 0/2, test accuracy 15.0%",
        "MNIST, 3 networks: epoch 1/2, test accuracy 20.0%",
        "MNIST, 3 networks: epoch 2/2, test accuracy 25.0%",
    ]


def test_where_no_network_has_an_accuracy_none_is_shown(capsys):
    with training_progress("MNIST", 0, 1) as show:
        show(0, 0.0, scores())
    assert capsys.readouterr().err == "MNIST, 0 networks: epoch 0/1\n"
