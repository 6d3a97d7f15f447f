"""Random streams: one per use, named, all derived from one seed.

A stream depends on its name alone, so adding a network or a projector changes no other stream.
"""

import hashlib

import numpy as np


def stream(seed: int, *name: str | int) -> np.random.SeedSequence:
    """The seed sequence of a named use, for example ``stream(0, "initialisation", pair, layer)``.

    It is the same in every process and on every platform (unlike ``hash`` of a string).
    """
    digest = hashlib.sha256(repr(name).encode()).digest()
    return np.random.SeedSequence(seed, spawn_key=tuple(np.frombuffer(digest, "<u4").tolist()))


def generator(seed: int, *name: str | int) -> np.random.Generator:
    """A NumPy generator on the stream of that name."""
    return np.random.default_rng(stream(seed, *name))


def integer(seed: int, *name: str | int) -> int:
    """A whole number from 0 to 2³² − 1 for libraries that want a ``random_state``."""
    return int(stream(seed, *name).generate_state(1)[0])
