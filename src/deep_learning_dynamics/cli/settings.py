"""Settings from the command line, ``train.epochs=20``, checked and written into ``params.yaml``.

Values are read as the file is read (YAML 1.2). Comments in the file stay.
"""

import copy
import io
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.files import replacing

UNQUOTED = re.compile(r"""(^|[\[,]\s*)([*&!%@`][^\[\],"']*)""")  # text with a meaning in YAML
ORIGIN = "params.yaml with -S"  # where values came from, in messages


def assignments(texts: Sequence[str], several: bool = False) -> dict[str, Any]:
    """``["train.epochs=20"]`` as values by dotted key.

    Args:
        several: each has values with commas between, and becomes a list of them.

    Raises:
        ParamsError: a text is not KEY=VALUE, the value is not YAML, or a key comes twice.
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise ParamsError(f"-S {text}: expected KEY=VALUE, such as -S train.epochs=20.")
        for other in found:
            if f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
                raise ParamsError(f"-S {text}: {other} is set already; expected each key once.")
        try:
            found[key] = YAML(typ="safe", pure=True).load(f"[{value}]" if several else value)
        # Others than YAMLError come from a date that is none, for example.
        except (YAMLError, ValueError, RecursionError) as error:
            reason = getattr(error, "problem", None) or " ".join(str(error).split())
            quoted = UNQUOTED.sub(r'\1"\2"', value)
            advice = "" if quoted == value else f". Quote it: -S '{key}={quoted}'"
            raise ParamsError(
                f"-S {text[:80]}: the value is not valid YAML: {reason}{advice}"
            ) from None
    return found


def choices(texts: Sequence[str]) -> dict[str, list[Any]]:
    """``["seed=1,2"]`` as the values to try by dotted key; each is listed once."""
    # Commas within brackets belong to a value: [8, 8],[16, 16] are two.
    found = assignments(texts, several=True)
    for key, values in found.items():
        if not values:
            raise ParamsError(f"-S {key}=: expected values with commas between, as in seed=1,2,3.")
        found[key] = [value for n, value in enumerate(values) if value not in values[:n]]
    return found


def with_values(raw: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the plain contents of ``params.yaml`` with dotted keys set, unchecked."""
    result = copy.deepcopy(dict(raw))
    for key, value in values.items():
        _set(result, key, copy.deepcopy(value))
    return result


def checked(root: Path, values: Mapping[str, Any], origin: str = ORIGIN) -> dict[str, Any]:
    """All settings, defaults included, as ``params.yaml`` has them with dotted keys set."""
    from deep_learning_dynamics.study import params

    path = root / "params.yaml"
    if not values:
        return params.load(path).as_json()
    raw = with_values(params.read(path), values)
    return params.validate(raw, origin, folder=root).as_json()


def write(root: Path, values: Mapping[str, Any]) -> bool:
    """Set dotted keys in ``params.yaml``; whether it changed. The file is whole at any moment."""
    from deep_learning_dynamics.study import params

    path = (root / "params.yaml").resolve()  # a link stays a link
    plain = params.read(path)
    if with_values(plain, values) == plain:
        return False
    text = text_with(path, values)
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
        shutil.copymode(path, partial)
    return True


def text_with(path: Path, values: Mapping[str, Any]) -> str:
    """The text of ``params.yaml`` with dotted keys set; comments and order stay."""
    from deep_learning_dynamics.study import params

    expected = with_values(params.read(path), values)
    content = _yaml().load(path.read_text(encoding="utf-8"))
    for key, value in values.items():
        _set(content, key, value)
    text = _dumped(content)
    try:
        # ruamel.yaml can lose a line break where comments stand in unusual places.
        kept = YAML(typ="safe", pure=True).load(text) == expected
    except YAMLError:
        kept = False
    return text if kept else _dumped(expected)


def described(values: Mapping[str, Any]) -> str:
    """Values on one line, as one could give them: ``train.epochs=20, conditions=[scratch]``."""
    return ", ".join(f"{key}={written(value)}" for key, value in values.items())


def written(value: Any) -> str:
    """A value as one line of YAML, which reads back unchanged."""
    return _dumped([value], flow=True).strip()[1:-1]


def _set(content: Any, key: str, value: Any) -> None:
    *sections, name = key.split(".")
    for section in sections:
        if not isinstance(content.get(section), dict):
            content[section] = {}
        content = content[section]
    content[name] = value


def _dumped(content: Any, flow: bool | None = None) -> str:
    """YAML; lists and sections that are not from a file are on one line if they have no others."""
    stream = io.StringIO()
    _yaml(flow).dump(content, stream)
    return stream.getvalue()


def _yaml(flow: bool | None = None) -> YAML:
    """A reader and writer that keeps comments."""
    yaml = YAML()
    yaml.default_flow_style = flow
    yaml.width = 4096  # or long lines would be broken
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    # Nothing is null, as the file writes it.
    yaml.representer.add_representer(
        type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml
