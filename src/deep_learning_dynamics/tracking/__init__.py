"""What was found, in MLflow: one run per experiment, a nested run per network.

Importing this package is cheap: MLflow itself (seconds) is imported where a store is contacted.
"""

from deep_learning_dynamics.tracking.completion import Tracked, complete, mark
from deep_learning_dynamics.tracking.feed import Live, live, prepare
from deep_learning_dynamics.tracking.findings import Findings
from deep_learning_dynamics.tracking.fingerprints import Fingerprint, fingerprint
from deep_learning_dynamics.tracking.identity import NOTE
from deep_learning_dynamics.tracking.names import run_name
from deep_learning_dynamics.tracking.store import EXPERIMENT, Store, is_off, store_of

__all__ = [
    "EXPERIMENT",
    "NOTE",
    "Findings",
    "Fingerprint",
    "Live",
    "Store",
    "Tracked",
    "complete",
    "fingerprint",
    "is_off",
    "live",
    "mark",
    "prepare",
    "run_name",
    "store_of",
]
