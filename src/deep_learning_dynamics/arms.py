"""How the networks of each arm start, so that pre-training is all that differs within a pair."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deep_learning_dynamics.errors import SnapshotsError
from deep_learning_dynamics.networks import Architecture, initial_weights
from deep_learning_dynamics.trajectories import Member, architecture_of, members_of, open_snapshots


def members(arms: Sequence[str], networks: int) -> list[Member]:
    """All pairs of the first arm, then all of the next."""
    return [Member(arm, pair) for arm in arms for pair in range(networks)]


def starts(
    members: Sequence[Member], architecture: Architecture, seed: int, task: str
) -> Float[np.ndarray, "network weight"]:
    """Where networks start without pre-training: from their pair's initialisation."""
    weights = [initial_weights(architecture, seed, member.pair, task) for member in members]
    return np.stack(weights) if weights else np.empty((0, architecture.size), np.float32)


def carry_over(
    weights: Float[np.ndarray, "network weight"],
    members: Sequence[Member],
    architecture: Architecture,
    pretrained: Path,
) -> Float[np.ndarray, "network weight"]:
    """Give networks of the pretrained arm the hidden layers that their pair learnt on OMNIGLOT.

    The output layer stays: it is the same in both arms of a pair.

    Raises:
        SnapshotsError: the store at ``pretrained`` has other hidden layers or lacks a pair.
    """
    dataset = open_snapshots(pretrained)
    found = architecture_of(dataset).widths[:-1]
    if found != architecture.widths[:-1]:
        raise SnapshotsError(
            f"{pretrained} holds networks with layers of {found} units; expected "
            f"{architecture.widths[:-1]}. Make it again with: dvc repro --force pretrain"
        )
    rows = {member.pair: row for row, member in enumerate(members_of(dataset))}
    hidden = slice(0, architecture.layers[-1].weights.start)
    carried = weights.copy()
    for index, member in enumerate(members):
        if member.arm == "pretrained":
            if member.pair not in rows:
                raise SnapshotsError(
                    f"{pretrained} has no network of pair {member.pair}; expected pairs of all "
                    f"{len(members)} networks. Make it again with: dvc repro --force pretrain"
                )
            row = dataset["weights"].isel(network=rows[member.pair], snapshot=-1, weight=hidden)
            carried[index, hidden] = row.values
    return carried
