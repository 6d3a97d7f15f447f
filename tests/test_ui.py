"""What people see in MLflow's UI, in a real browser."""

import os
import shutil
from pathlib import Path

import pytest
from project_folder import finished_project

from deep_learning_dynamics import tracking
from deep_learning_dynamics.tracking.store import store_of
from deep_learning_dynamics.tracking.ui import free_port, serve

pytestmark = pytest.mark.browser

CHROMIUM = next(
    (path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path),
    None,
)
PATIENCE = 60_000  # milliseconds
SIZE = {"width": 1600, "height": 1100}


@pytest.fixture(scope="module")
def experiments(tmp_path_factory):
    """Two finished experiments in one store: learning rates 0.1 and 0.2, five pairs."""
    patch = pytest.MonkeyPatch()
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path_factory.mktemp("ui")
    # As DVC's queue runs them: in copies below the project, with the project's store.
    tracked = [
        tracking.complete(
            finished_project(folder / ".dvc/tmp/exps" / name, learning_rate=rate, networks=5).root
        )
        for name, rate in (("one", 0.1), ("two", 0.2))
    ]
    yield folder, tracked
    patch.undo()


@pytest.fixture(scope="module")
def server(experiments):
    with serve(store_of(experiments[0]), free_port(None)) as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here (Debian: apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport=SIZE)
    page.set_default_timeout(PATIENCE)
    # MLflow opens a panel for its assistant beside everything, unless it was closed once.
    yield page
    page.close()


def picture(page, name: str) -> None:
    """Keep a screenshot where one was asked for."""
    folder = os.environ.get("DYNAMICS_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_both_runs_are_in_the_table_with_parameters_and_metrics(page, server, experiments):
    page.goto(server.address)
    for run in experiments[1]:
        page.get_by_role("link", name=run.name).first.wait_for()
    picture(page, "runs")
