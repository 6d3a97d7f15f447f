"""A note is kept with a run, is seen first in its description, and is no part of what it is."""

import pytest
from project_folder import finished_project

from deep_learning_dynamics import experiments, tracking
from deep_learning_dynamics.tracking.identity import identity_of
from deep_learning_dynamics.tracking.records import records
from deep_learning_dynamics.tracking.store import connect, store_of

DESCRIPTION = "mlflow.note.content"


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "DYNAMICS_TRACKING", "DYNAMICS_NOTE"):
        monkeypatch.delenv(name, raising=False)
    return finished_project(tmp_path / "project").root


def tags_of(root):
    [record] = records(connect(store_of(root), 10))
    return record.tags


def test_without_a_note_there_is_none(root):
    experiments.track(root)
    assert "note" not in tags_of(root)
    assert tags_of(root)[DESCRIPTION].startswith("Median test accuracy")


def test_a_note_stays_until_there_is_another_and_makes_no_other_run(root):
    before = tracking.fingerprint(root)
    experiments.track(root, "wider: does it help?")
    assert tags_of(root)["note"] == "wider: does it help?"
    assert tags_of(root)[DESCRIPTION].startswith("wider: does it help?\n\nMedian test accuracy")
    experiments.track(root)
    assert tags_of(root)["note"] == "wider: does it help?"
    assert tags_of(root)[DESCRIPTION].startswith("wider: does it help?\n\nMedian")
    experiments.track(root, "it does")
    assert tags_of(root)["note"] == "it does"
    assert tracking.fingerprint(root) == before


def test_stages_hear_of_it_by_their_environment(root, monkeypatch):
    monkeypatch.setenv("DYNAMICS_NOTE", "by dvc repro")
    assert identity_of(root).tags["note"] == "by dvc repro"
    experiments.track(root)
    assert tags_of(root)["note"] == "by dvc repro"
