"""MNIST and OMNIGLOT: where they come from, and the one form in which everything else reads them.

``fetch`` tries the sources in order and writes ``data/NAME.npz`` with its provenance beside it;
``load`` reads that file.
"""

from deep_learning_dynamics.datasets.examples import Examples, Part, load
from deep_learning_dynamics.datasets.fetching import fetch
from deep_learning_dynamics.datasets.provenance import Provenance

__all__ = ["Examples", "Part", "Provenance", "fetch", "load"]
