"""Results for all tests of figures."""

import pytest
from made_results import STEPS, build, write_store

from deep_learning_dynamics import store
from deep_learning_dynamics.results import Results


@pytest.fixture(scope="session")
def measured(tmp_path_factory):
    """Six pairs of three conditions from a store: everything measured and compared."""
    path = tmp_path_factory.mktemp("store") / "runs.zarr"
    write_store(path, conditions=("scratch", "pretrained", "permuted"), steps=STEPS[::5])
    return Results.of(store.open(str(path)), methods=("pca",), by="condition")


@pytest.fixture
def make_results():
    """A function that builds results: pairs, conditions, failed networks, methods."""
    return build


@pytest.fixture(scope="session")
def results():
    """Four pairs of two conditions in two planes."""
    return build(methods=("pca", "som"))
