"""A store without runs, made once: MLflow takes seconds for its dozens of tables."""

import pytest

from deep_learning_dynamics.tracking import connect, store_of


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """The folder mlruns of a project in which nothing was computed; copy it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        folder = tmp_path_factory.mktemp("empty")
        connect(store_of(folder))
    return folder / "mlruns"
