"""Reads ``params.yaml`` and checks it."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.params.messages import explained, shown
from deep_learning_dynamics.params.sections import Params


def load(path: Path = Path("params.yaml")) -> Params:
    """Read and check ``params.yaml``.

    Raises:
        ParamsError: the file cannot be read or a value in it is not allowed; the message has a
            line for each problem with the key, the value found and what is allowed.
    """
    return validate(read(path), origin=path.name)


def read(path: Path) -> dict[str, Any]:
    """The plain contents of ``params.yaml``, read as DVC reads it (YAML 1.2), unchecked."""
    try:
        # YAML 1.2, unlike PyYAML's 1.1, reads 1e-4 as a number; DVC uses the same reader.
        raw = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            f"{path} does not exist; expected the experiment's parameters. "
            "Run this in the project's folder, or restore it: git checkout params.yaml"
        ) from None
    except OSError as error:
        raise ParamsError(f"{path} cannot be read: {error.strerror}.") from None
    except (YAMLError, ValueError) as error:  # the latter from a date that is none, for example
        reason = " ".join(str(error).split())
        raise ParamsError(f"{path} is not valid YAML: {reason}") from None
    if not isinstance(raw, dict):
        raise ParamsError(f"{path} holds {shown(raw)}; expected sections such as network, train.")
    return raw


def validate(raw: dict[str, Any], origin: str = "params.yaml") -> Params:
    """Check plain values; ``origin`` says in messages where they came from.

    Raises:
        ParamsError: as in :func:`load`.
    """
    try:
        # Through JSON, where a list is a valid tuple although the check is strict.
        text = json.dumps(raw, default=str)
    except (TypeError, ValueError) as error:  # a key that is no text, or a section within itself
        raise ParamsError(
            f"{origin}: {error}; expected sections of keys and values, such as train.epochs: 10."
        ) from None
    try:
        return Params.model_validate_json(text)
    except ValidationError as error:
        problems = dict.fromkeys(explained(problem, raw) for problem in error.errors())
    except ParamsError as error:
        problems = dict.fromkeys(str(error).splitlines())
    raise ParamsError("\n".join(f"{origin}: {problem}" for problem in problems))
