"""What experiments are compared with: the parameters from which each one differs."""

import json
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.tracking.records import Record


@dataclass(frozen=True)
class Defaults:
    """The usual value of each parameter, written as in MLflow, and where it was found."""

    values: dict[str, str]  # dotted keys
    origin: str

    def differences(self, record: Record) -> dict[str, str]:
        """The parameters of a run that are not the usual ones, in the order of params.yaml."""
        found = record.parameters
        order = [*self.values, *sorted(found.keys() - self.values.keys())]
        return {
            key: found[key] for key in order if key in found and found[key] != self.values.get(key)
        }


def defaults_of(root: Path, known: Sequence[Record]) -> Defaults:
    """params.yaml as it was last committed; where there is no git, what most runs share."""
    committed = _committed(root)
    if committed is not None:
        return committed
    keys = dict.fromkeys(key for record in known for key in record.parameters)
    values = {
        # The newest of the most frequent: records come newest first, and Counter keeps order.
        key: Counter(r.parameters[key] for r in known if key in r.parameters).most_common(1)[0][0]
        for key in sorted(keys)
    }
    return Defaults(values, "what most runs have")


def written(value: Any) -> str:
    """A parameter's value as runs keep it."""
    return value if isinstance(value, str) else json.dumps(value)


def _committed(root: Path) -> Defaults | None:
    try:
        result = subprocess.run(
            ["git", "show", "HEAD:./params.yaml"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:  # git is not installed
        return None
    if result.returncode != 0:
        return None
    try:
        raw = YAML(typ="safe", pure=True).load(result.stdout)
        settings = parameters.validate(raw if isinstance(raw, dict) else {})
    except (ParamsError, YAMLError, ValueError):  # of an older version of the program, or damaged
        return None
    flat = parameters.flattened(settings.model_dump(mode="json"))
    return Defaults(
        {key: written(value) for key, value in flat.items()}, "params.yaml of the last commit"
    )
