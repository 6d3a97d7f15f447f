"""The main numbers of a run count networks in that failed."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hand_made_stores import dataset, walks

from deep_learning_dynamics.cli.summary import medians
from deep_learning_dynamics.geometry import measure
from deep_learning_dynamics.inference import compare
from deep_learning_dynamics.study import summary


def test_a_median_counts_networks_that_diverged_as_the_worst(tmp_path, monkeypatch):
    accuracy = np.repeat(np.linspace(0.90, 0.95, 10)[:, None], 4, axis=1)
    accuracy[5:9, 2:] = np.nan  # four of five
    runs = dataset(
        walks(10, 4),
        scores={"test_accuracy": accuracy},
        condition=np.repeat(["scratch", "pretrained"], 5),
        pair=[*range(5)] * 2,
        outcome=[""] * 5 + ["diverged"] * 4 + [""],
    )
    measures = measure(runs)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics").mkdir()
    summary.write(measures, compare(measures))
    found = json.loads((tmp_path / "metrics/summary.json").read_text())
    assert found["scratch"]["final_accuracy"] == pytest.approx(np.median(accuracy[:5, -1]), 1e-5)
    assert (found["pretrained"]["networks"], found["pretrained"]["failed"]) == (5, 4)
    assert "final_accuracy" not in found["pretrained"]  # not that of the one that is left


def test_the_terminal_says_of_how_many_networks_a_median_is():
    scores = pd.DataFrame(
        {
            "network": ["a", "b", "c", "c"],
            "snapshot": [1, 1, 0, 1],
            "condition": "scratch",
            "test_accuracy": [0.8, 0.6, 0.7, np.nan],
            "outcome": ["", "dead", "diverged", "diverged"],
        }
    )
    results = SimpleNamespace(scores=scores, by="condition", titles={})
    told = "70.0 % median test accuracy of the 2 that have one (60.0 % to 80.0 %), 2 failed"
    assert medians(results) == {"scratch": told}
