"""Curves of a finished store are those that were logged while it was made."""

import pandas as pd

from deep_learning_dynamics.tracking.live import curves_of

ROWS = pd.DataFrame(
    [
        ("o/p-0", "omniglot", "pretrained", False, "", 0, 0.0),
        ("o/p-0", "omniglot", "pretrained", False, "", 9, 0.2),
        ("m/p-0", "mnist", "pretrained", False, "o/p-0", 0, 0.1),
        ("m/p-1", "mnist", "pretrained", False, "", 0, 0.3),
        ("m/p-1/twin", "mnist", "pretrained", True, "", 0, 0.9),
        ("m/s-0", "mnist", "scratch", False, "", 0, float("nan")),
        ("m/s-1", "mnist", "scratch", False, "", 0, 0.4),
    ],
    columns=["network", "dataset", "condition", "twin", "continues", "step", "test_accuracy"],
).assign(train_loss=float("nan"))


def test_networks_that_others_continue_have_curves_of_their_own():
    assert curves_of(ROWS, 30) == {
        "accuracy/pretrained": {0: 0.2},
        "accuracy/scratch": {0: 0.4},
        "accuracy/omniglot pretrained": {0: 0.0, 9: 0.2},
    }


def test_too_many_curves_leave_out_those_before():
    assert list(curves_of(ROWS, 2)) == ["accuracy/pretrained", "accuracy/scratch"]
