"""How large an experiment is, and about how long it takes, before anything runs.

Rates were measured with the default settings on two cores of a server of 2023. They tell minutes
from hours, no more.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deep_learning_dynamics import environment
from deep_learning_dynamics.formatting import count, duration, size

if TYPE_CHECKING:
    from deep_learning_dynamics.store.schema import Parameters
    from deep_learning_dynamics.study.params import Params

# Of the digits, which is right enough before data are there.
SHAPE, CLASSES, EXAMPLES, TEST_EXAMPLES = (28, 28), 10, 60_000, 10_000
START = 34.0  # seconds that all stages take to begin, and for what does not depend on sizes
MEASURES = 6.0  # seconds, of comparisons mostly
METHOD_START = 3.0  # seconds, of each method
TRAINING_RATE = 3.5e10  # weights × examples a second and core, forwards; backwards is twice that
PRODUCT_RATE = 1e10  # multiplications of doubles a second and core
READING_RATE = 1e7  # weights a second, of all that stages read and log
FITS = {  # seconds of one fit on one core: at least, and for each row
    "pca": (0.02, 5e-5),
    "som": (0.15, 6e-4),
    "autoencoder": (0.2, 6e-4),
    "autoencoder_som": (0.3, 1e-3),
    "autoencoder_tsne": (1.0, 2e-3),
    "umap": (0.8, 1e-3),
}
OTHER_FIT = (0.5, 1e-3)
ANALYSIS = 0.1  # seconds of one analysis on one core, for each network
PROCESS = 0.3e9  # bytes that one process takes for code
SIDE_BY_SIDE = 4  # stages, at most, that `dynamics run` has at work at the same time


@dataclass(frozen=True)
class Estimate:
    """The size of an experiment."""

    weights: int  # of a network
    networks: int  # that are projected
    trained: int  # of training, twins included
    rows: int  # that are projected
    fitted: int  # rows that a method is fitted on
    stored: float  # bytes of snapshots
    memory: float  # bytes
    least: float  # bytes of memory, were there one process alone
    seconds: float
    stages: dict[str, float]  # seconds of those that can be long, after the training
    cores: int
    at_once: int  # stages that run side by side where they can, each with memory of its own

    def sentence(self) -> str:
        """``about 4 min 10 s and 0.9 GB of memory on 2 cores: ...``"""
        seconds, memory = _two_digits(self.seconds), _two_digits(self.memory)
        return (
            f"about {duration(seconds)} and {size(memory)} of memory on "
            f"{count(self.cores, 'core')}: {count(self.trained, 'network')} of {self.weights:,} "
            f"weights, {count(self.rows, 'row')} in each projection"
        )


def parameters(params: "Params") -> "Parameters":
    """Those of a network."""
    from deep_learning_dynamics.study.networks import NETWORKS

    return NETWORKS[params.network.kind](params.network.settings(), SHAPE, CLASSES).parameters


def estimate(params: "Params") -> Estimate:
    """Of all settings together; of the machine, its cores and its memory have a part in it."""
    from deep_learning_dynamics.study.conditions import CONDITIONS

    weights, cores = parameters(params).size, environment.cores()
    pretrainings = {CONDITIONS[key].pretraining for key in params.conditions} - {None}
    networks = params.pairs * len(params.conditions)
    trained = networks * (2 if params.twins else 1)
    before = params.pairs * len(pretrainings)
    rows = stored = work = 0.0
    for phase, count_, shown in (
        (params.train, trained, networks),
        (params.pretrain, before, before),
    ):
        snapshots = 1 + phase.snapshots.first_epoch + phase.snapshots.per_epoch * (phase.epochs - 1)
        taken = min(snapshots, params.view.snapshots or snapshots)
        rows += shown * (taken if phase is params.train else snapshots)
        stored += 4 * weights * count_ * snapshots
        scored = min(params.train.scored_examples, EXAMPLES) + TEST_EXAMPLES
        work += count_ * weights * (3 * EXAMPLES * phase.epochs + scored * snapshots)
        if phase is params.train:
            of_one = taken
    rows = int(rows)
    shorter = min(rows, weights)
    training = work / TRAINING_RATE / cores
    reading = stored / 4 / READING_RATE + rows * weights * shorter / PRODUCT_RATE / cores
    fitted = of_one if params.project.fit_on_first_network_only else rows
    stages = {
        f"project@{key}": _projecting(key, params, fitted, cores) for key in params.project.methods
    }
    stages["measure"] = MEASURES
    stages["geometry"] = ANALYSIS * len(params.geometry.analyses) * trained / cores
    least = max(
        12 * 4 * weights * trained,  # weights, momentum, gradients, snapshots under way
        24 * rows * shorter,  # the reduction: products of rows, or of weights, and their axes
    )
    least += PROCESS
    refits = cores * PROCESS  # processes of their own
    at_once = max(1, min(SIDE_BY_SIDE, cores, int((environment.memory() - refits) // least)))
    memory = at_once * least + refits
    return Estimate(
        weights, networks, trained, rows, fitted, stored, memory, least,
        START + training + reading + sum(stages.values()), stages, cores, at_once,
    )  # fmt: skip


def _projecting(key: str, params: "Params", rows: int, cores: int) -> float:
    settings = params.robustness_settings()
    least, per_row = FITS.get(key, OTHER_FIT)
    fits = settings.seeds + settings.folds
    if key not in settings.no_nulls_for:
        fits += settings.nulls * len(settings.null_models)
    again = least + per_row * min(rows, settings.rows or rows)
    return METHOD_START + least + per_row * rows + fits * again / cores


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")
