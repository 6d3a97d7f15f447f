"""Labelled images, each dataset a file of its own: where they come from, and how they are read."""

from deep_learning_dynamics.study.datasets.dataset import (
    DATASETS,
    Dataset,
    DatasetCard,
    Examples,
    Provenance,
    fetch,
    load,
)
from deep_learning_dynamics.study.datasets.local import record_found

__all__ = [
    "DATASETS",
    "Dataset",
    "DatasetCard",
    "Examples",
    "Provenance",
    "fetch",
    "load",
    "record_found",
]
