"""What tests share: the project's own parameters and a way to change some of them."""

import copy
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.params import Params

ROOT = Path(__file__).parents[1]
CHROMIUM = next(
    (path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path),
    None,
)

# A shell that starts the tests in the background has them ignore Ctrl-C, and everything that they
# start inherits that; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def raw_params() -> dict:
    """The plain contents of the project's params.yaml. Do not change it: ask for ``changed``."""
    return parameters.read(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def changed(raw_params) -> Callable[..., dict]:
    """The plain default parameters with some values set: ``changed({"train.epochs": 2})``."""

    def with_values(values: dict) -> dict:
        result = copy.deepcopy(raw_params)
        for key, value in values.items():
            *sections, name = key.split(".")
            section = result
            for part in sections:
                section = section[part]
            section[name] = value
        return result

    return with_values


@pytest.fixture(scope="session")
def settings(changed) -> Callable[..., Params]:
    """Checked parameters with some values set: ``settings({"train.epochs": 2})``."""
    return lambda values=None: parameters.validate(changed(values or {}))


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


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that happens elsewhere."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.2)
