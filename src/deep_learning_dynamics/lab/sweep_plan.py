"""Which experiments a sweep is made of: every combination of the values to try."""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.lab import settings
from deep_learning_dynamics.tracking.fingerprints import of_code, of_parameters
from deep_learning_dynamics.tracking.names import run_name
from deep_learning_dynamics.tracking.records import Record

NAMED_BY = 6  # digits of a fingerprint in the name of an experiment


@dataclass(frozen=True)
class Experiment:
    """One combination; the same one if its fingerprint is the same."""

    values: dict[str, Any] = field(compare=False)  # what was swept, dotted keys
    fingerprint: str  # of all its parameters

    def __str__(self) -> str:
        return settings.described(self.values)


@dataclass(frozen=True)
class Sweep:
    """A sweep. The same combinations with the same code are the same sweep, in any order."""

    name: str
    experiments: tuple[Experiment, ...]
    code: str  # fingerprint
    data: str | None  # fingerprint; None: not known before they run, as the data is swept too

    @property
    def keys(self) -> tuple[str, ...]:
        """What was swept."""
        return tuple(self.experiments[0].values)

    def name_of(self, experiment: Experiment) -> str:
        """What DVC calls an experiment; a repeated attempt has a number behind it."""
        return f"{self.name}-{experiment.fingerprint[:NAMED_BY]}"

    def record_of(self, experiment: Experiment, known: Sequence[Record]) -> Record | None:
        """The complete run of an experiment, the newest first in ``known``."""
        for record in known:
            tags = record.tags
            if (
                record.complete
                and tags.get("fingerprint.parameters") == experiment.fingerprint
                and tags.get("fingerprint.code") == self.code
                and self.data in (None, tags.get("fingerprint.data"))
            ):
                return record
        return None


def combinations(path: Path, tried: Mapping[str, Sequence[Any]]) -> tuple[Experiment, ...]:
    """Every combination of values, the last key changing fastest; equal ones are there once.

    Raises:
        ParamsError: what is wrong with some of them, each mistake once.
    """
    raw = parameters.read(path)
    found: dict[str, Experiment] = {}
    problems: dict[str, None] = {}
    for chosen in itertools.product(*tried.values()):
        values = dict(zip(tried, chosen, strict=True))
        try:
            params = parameters.validate(settings.with_values(raw, values), settings.ORIGIN)
        except ParamsError as error:
            problems |= dict.fromkeys(str(error).splitlines())
            continue
        fingerprint = of_parameters(params)
        found.setdefault(fingerprint, Experiment(values, fingerprint))
    if problems:
        raise ParamsError("\n".join(problems))
    return tuple(found.values())


def plan(root: Path, experiments: tuple[Experiment, ...], data: str | None) -> Sweep:
    """Give a sweep its name, which stays the same when it is asked for again."""
    code = of_code(root)
    made_of = [sorted(experiment.fingerprint for experiment in experiments), code]
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    return Sweep(f"sweep-{run_name(digest)}", experiments, code, data)
