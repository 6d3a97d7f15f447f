"""What tests of the study share: the project's own parameters and a way to change some of them."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from deep_learning_dynamics.study import params as parameters
from deep_learning_dynamics.study.params import SECTIONS, Params

ROOT = Path(__file__).parents[2]


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

    def checked(values: dict | None = None, sections: tuple[str, ...] = SECTIONS) -> Params:
        return parameters.validate(changed(values or {}), sections=sections)

    return checked
