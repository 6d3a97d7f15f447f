"""What all tests share: stores of a small study, and Chromium."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_stores import StudyStores

ROOT = Path(__file__).parents[1]
CHROMIUM = next(
    (path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path),
    None,
)

# A shell that starts the tests in the background has them ignore Ctrl-C, and everything that they
# start inherits that; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests start hundreds of processes, each of which would compile the same modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# After each command DVC would start two more, for statistics and to look for a newer DVC.
os.environ["DVC_GLOBAL_CONFIG_DIR"] = str(ROOT / "tests" / "dvc")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests begin first, so that no process waits for one in the end.

    The first of all builds the finished project meanwhile, for those that copy it; they come next.
    """
    finished = [item for item in items if "finished" in item.fixturenames]

    def place(item: pytest.Item) -> int:
        if item in finished[:1]:
            return 0
        if item.get_closest_marker("slow"):
            return 1 + (item in finished)
        return 3 + (item not in finished)

    items.sort(key=place)


@pytest.fixture
def study_stores(tmp_path) -> Callable[..., StudyStores]:
    """Makes the stores of a small study: ``study_stores(pairs=3, diverged=None)``."""
    return lambda **choices: StudyStores(tmp_path, **choices)


@pytest.fixture(scope="module")
def browser():
    """Chromium, of each module its own: its driver runs an event loop as long as it is there."""
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
