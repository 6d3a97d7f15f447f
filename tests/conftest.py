"""What tests share: the project's own parameters and a way to change some of them."""

import copy
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.params import Params

ROOT = Path(__file__).parents[1]

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
