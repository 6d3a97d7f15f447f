"""``params.yaml`` as typed, validated, immutable objects: the door through which settings come in.

Nothing has a default here: ``params.yaml`` is the only place where values are written.
"""

from deep_learning_dynamics.params.keys import flattened, known_keys
from deep_learning_dynamics.params.reading import load, read, validate
from deep_learning_dynamics.params.sections import (
    Activation,
    Algorithm,
    Arm,
    BatchOrder,
    Data,
    DatasetName,
    Method,
    Network,
    Omniglot,
    Params,
    Pretrain,
    Project,
    Section,
    Source,
    Target,
    Track,
    Train,
    Trust,
)

__all__ = [
    "Activation",
    "Algorithm",
    "Arm",
    "BatchOrder",
    "Data",
    "DatasetName",
    "Method",
    "Network",
    "Omniglot",
    "Params",
    "Pretrain",
    "Project",
    "Section",
    "Source",
    "Target",
    "Track",
    "Train",
    "Trust",
    "flattened",
    "known_keys",
    "load",
    "read",
    "validate",
]
