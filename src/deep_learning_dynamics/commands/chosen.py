"""What a command line sets, gathered from ``-S`` and from the options of 2020."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.lab import settings
from deep_learning_dynamics.lab.names_2020 import Options, translated


def values(root: Path, texts: Sequence[str], given: Options) -> dict[str, Any]:
    """Dotted keys with their values, checked together with the rest of ``params.yaml``.

    Says what the options of 2020 became.

    Raises:
        ParamsError: a value is not allowed, or a key is set in both ways.
    """
    settings.recover(root)
    path = root / "params.yaml"
    assigned = settings.assignments(texts)
    translation = translated(given, settings.with_values(parameters.read(path), assigned))
    both = sorted(assigned.keys() & translation.values.keys())
    if both:
        raise ParamsError(
            f"{', '.join(both)} is set with -S and with an option of 2020; expected one of them."
        )
    found = assigned | translation.values
    settings.checked(path, found)
    if translation.values:
        print(f"Settings for this run: {settings.described(translation.values)}")
    for notice in translation.notices:
        print(f"note: {notice}")
    return found
