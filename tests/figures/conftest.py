"""Results for all tests of figures."""

from dataclasses import replace

import pytest
from analysed import Bowls, Layers, store_of_bowls, store_of_layers
from made_results import STEPS, build, write_store

from deep_learning_dynamics import store
from deep_learning_dynamics.geometry import analyse
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


@pytest.fixture(scope="session")
def bowls(tmp_path_factory):
    """The runs that barriers and surfaces are computed of, and where their networks end."""
    return store_of_bowls(tmp_path_factory.mktemp("store") / "runs.zarr")


@pytest.fixture(scope="session")
def of_bowls(bowls):
    """Results with barriers and a surface."""
    runs, ends = bowls
    geometry = analyse(runs, analyses=["barriers", "surface"], forward=Bowls(ends))
    return replace(Results.of(runs, methods=()), geometry=geometry)


@pytest.fixture(scope="session")
def layers(tmp_path_factory):
    """The runs that all other analyses are made of."""
    return store_of_layers(tmp_path_factory.mktemp("store") / "runs.zarr")


@pytest.fixture(scope="session")
def of_layers(layers):
    """Results with all other analyses."""
    keys = ("function_space", "representations", "spectra", "regions")
    geometry = analyse(layers, analyses=keys, forward=Layers())
    return replace(Results.of(layers, methods=()), geometry=geometry)
