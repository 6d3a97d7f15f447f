"""The commands for anybody's training: collect, audit, draw, in a folder without a project."""

import sqlite3

import numpy as np
import pytest
from project import dynamics, in_process


@pytest.fixture
def here(tmp_path):
    rng = np.random.default_rng(0)
    for group in ("fast", "slow"):
        for seed in range(3):
            start, heading = rng.normal(size=(2, 6))
            folder = tmp_path / "runs" / f"{group}-{seed}"
            folder.mkdir(parents=True)
            for step in range(6):
                np.savez(folder / f"step_{step}.npz", w=(start + step * heading).reshape(2, 3))
            rows = [f"{step},{0.1 + 0.15 * step}" for step in range(6)]
            (folder / "log.csv").write_text("\n".join(["step,test_accuracy", *rows]))
    return tmp_path


COLLECT = ("collect", "runs/{group}-{seed}/step_{step}.npz", "-o", "runs.zarr")


def test_collecting_says_what_was_found_and_audits_it(here):
    text = dynamics(here, *COLLECT, "--scores", "runs/{group}-{seed}/log.csv")
    assert "runs.zarr: 6 runs, 36 snapshots of 6 weights" in text
    assert "Nothing wrong in 6 runs, 36 snapshots." in text


def test_an_audit_that_finds_something_wrong_ends_with_1(here):
    first = here / "runs/fast-0"
    (first / "step_3.npz").write_bytes((first / "step_1.npz").read_bytes())
    text = in_process(here, "audit", "runs", status=1)
    assert "identical" in text
    assert "1 problem in 6 runs, 36 snapshots." in text


def test_a_store_is_drawn_with_the_words_of_its_coordinates(here):
    in_process(here, *COLLECT, "--scores", "runs/{group}-{seed}/log.csv")
    text = dynamics(
        here, "draw", "runs.zarr", "-o", "page.html", "--by", "group", "--figures", "figs"
    )
    assert "3 and 3 networks" in text or "too few" in text
    page = (here / "page.html").read_text("utf-8")
    assert "fast" in page
    assert "runs.zarr" in page[page.index("<footer>") :]
    assert (here / "figs/paths-pca.png").exists()


def test_a_folder_of_checkpoints_is_drawn_and_logged(here):
    text = in_process(here, "draw", "runs", "--log")
    assert "in MLflow: run report of the experiment trajectories" in text
    assert "mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db\n" in text
    assert (here / "report.html").exists()
    assert len(list((here / "mlruns/artifacts").glob("*/artifacts/report.html"))) == 1
    with sqlite3.connect(here / "mlruns/mlflow.db") as database:
        assert database.execute("SELECT status FROM runs").fetchall() == [("FINISHED",)]


def test_mistakes_end_in_one_line(here):
    (here / "empty").mkdir()
    assert "names no checkpoints" in in_process(here, "audit", "empty", status=1)
    lora = in_process(here, *COLLECT, "--lora", "both", status=2)
    assert "expected 'delta' or 'factors'" in lora
    assert "Did you mean pca?" in in_process(here, "draw", "runs", "--method", "pcaa", status=2)
