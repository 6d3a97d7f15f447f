"""Time and memory are estimated well enough to tell minutes from hours, before anything runs."""

import dataclasses

import pytest

from deep_learning_dynamics import environment
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.study import params
from deep_learning_dynamics.study.estimate import estimate

MEASURED = 3.5 * 60  # seconds of the default settings on two cores, as the README says
MEASURED_TRAINING = 21  # seconds of the stage train


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(environment, "cores", lambda: 2)


def test_the_default_is_right_within_a_factor_of_two(settings):
    found = estimate(settings())
    assert MEASURED / 2 < found.seconds < MEASURED * 2
    assert (found.trained, found.rows, found.weights) == (80, 1820, 6658)
    assert 0.3e9 < found.memory < 3e9


def test_training_takes_as_long_as_there_is_to_train(settings):
    few, many = (estimate(settings({"train.epochs": n})).seconds for n in (10, 110))
    assert 100 * MEASURED_TRAINING / 10 / 2 < many - few < 100 * MEASURED_TRAINING / 10 * 2


def test_every_method_and_its_tests_are_counted(settings):
    one = estimate(settings({"project.methods": ["pca"]})).seconds
    assert one < estimate(settings({"project.methods": ["pca", "umap"]})).seconds
    full = settings({"project.methods": ["pca"], "robustness": "full"})
    assert one < estimate(full).seconds
    assert estimate(settings({"geometry.analyses": []})).seconds < estimate(settings()).seconds


def test_half_the_cores_take_longer(settings, monkeypatch):
    long = settings({"train.epochs": 500, "view.snapshots": 20, "project.methods": ["pca"]})
    two = estimate(long).seconds
    monkeypatch.setattr(environment, "cores", lambda: 1)
    assert 1.7 < estimate(long).seconds / two < 2.1


def test_the_sentence_has_time_memory_and_sizes(settings):
    text = estimate(settings()).sentence()
    assert text.startswith("about 2 min 50 s ")
    assert text.endswith(
        "of memory on 2 cores: 80 networks of 6,658 weights, 1,820 rows in each projection"
    )
    hours = dataclasses.replace(estimate(settings()), seconds=3 * 3600.0)
    assert hours.sentence().startswith("about 3 h 3 min and ")


def test_a_thousand_networks_are_refused_with_the_method_the_rows_and_the_setting(changed):
    with pytest.raises(ParamsError) as error:
        params.validate(changed({"pairs": 500}))
    text = str(error.value)
    assert "project.methods names autoencoder_tsne, which takes at most 20,000 rows" in text
    assert "1,000 networks × their snapshots = 45,500 rows" in text
    assert "set view.snapshots (now null) or pairs (500) lower" in text


def test_what_does_not_fit_into_memory_is_refused_before_it_trains(changed, monkeypatch):
    monkeypatch.setattr(environment, "memory", lambda: 4_000_000_000)
    raw = changed({"pairs": 5000, "project.methods": ["pca"]})
    with pytest.raises(ParamsError, match=r"pairs is 5000: .* of memory, .* may use 4 GB"):
        params.validate(raw)


def test_many_cores_are_no_reason_to_refuse(changed, monkeypatch):
    """What refits take beyond the rest is a matter of the machine: no setting makes it less."""
    monkeypatch.setattr(environment, "memory", lambda: 4_000_000_000)
    monkeypatch.setattr(environment, "cores", lambda: 64)
    assert params.validate(changed({"pairs": 2})).pairs == 2
