"""Settings from the command line, ``train.epochs=20``, checked and written into ``params.yaml``.

Values are read as the file is read (YAML 1.2). Comments in the file stay.
"""

import copy
import io
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.files import replacing

if TYPE_CHECKING:
    from ruamel.yaml import YAML

ORIGIN = "params.yaml with -S"  # where values came from, in messages


def assignments(texts: Sequence[str]) -> dict[str, Any]:
    """``["train.epochs=20"]`` as values by dotted key.

    Raises:
        ParamsError: a text is not KEY=VALUE, the value is not YAML, or a key comes twice.
    """
    return _collected(texts, _value)


def choices(texts: Sequence[str]) -> dict[str, list[Any]]:
    """``["seed=1,2"]`` as the values to try by dotted key; each is listed once.

    Raises:
        ParamsError: as in :func:`assignments`, or nothing comes after the equals sign.
    """
    return _collected(texts, _values)


def with_values(raw: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the plain contents of ``params.yaml`` with dotted keys set, unchecked."""
    result = copy.deepcopy(dict(raw))
    for key, value in values.items():
        _set(result, key, copy.deepcopy(value))
    return result


def checked(root: Path, values: Mapping[str, Any], origin: str = ORIGIN) -> dict[str, Any]:
    """All settings, defaults included, as ``params.yaml`` has them with dotted keys set.

    Raises:
        ParamsError: a value is not allowed; nothing was written.
    """
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
    content = _keeping().load(path.read_text(encoding="utf-8"))
    for key, value in values.items():
        _set(content, key, _styled(value, flow=not _is_block(content, key)))
    text = _dumped(content)
    # ruamel.yaml can lose a line break where comments stand in unusual places.
    return text if _reads_as(text, expected) else _dumped(expected)


def described(values: Mapping[str, Any]) -> str:
    """Values on one line, as one could give them: ``train.epochs=20, conditions=[scratch]``."""
    return ", ".join(f"{key}={written(value)}" for key, value in values.items())


def written(value: Any) -> str:
    """A value as YAML on one line, such that it is read back as it is."""
    return _dumped(_styled([value])).strip()[1:-1]


def _collected(texts: Sequence[str], read: Callable[[str, str], Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise ParamsError(f"-S {text}: expected KEY=VALUE, such as -S train.epochs=20.")
        for other in found:
            if key == other or key.startswith(f"{other}.") or other.startswith(f"{key}."):
                raise ParamsError(f"-S {text}: {other} is set already; expected each key once.")
        found[key] = read(text, value)
    return found


def _value(text: str, value: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(value)
    except (YAMLError, ValueError, RecursionError) as error:  # a date that is none, for example
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ParamsError(f"-S {text[:80]}: the value is not valid YAML: {reason}") from None


def _values(text: str, value: str) -> list[Any]:
    # Commas within brackets belong to a value: [8, 8],[16, 16] are two.
    found = _value(text, f"[{value}\n]")
    if not found:
        raise ParamsError(f"-S {text}: expected values with commas between, such as seed=1,2,3.")
    return [value for n, value in enumerate(found) if value not in found[:n]]


def _set(content: Any, key: str, value: Any) -> None:
    *sections, name = key.split(".")
    for section in sections:
        if not isinstance(content.get(section), dict):
            content[section] = {}
        content = content[section]
    content[name] = value


def _styled(value: Any, flow: bool = True) -> Any:
    """Lists and sections on one line, as params.yaml writes them, or as they were in the file."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, dict):
        styled: Any = CommentedMap((key, _styled(entry, flow)) for key, entry in value.items())
    elif isinstance(value, list | tuple):
        styled = CommentedSeq(_styled(entry, flow) for entry in value)
    else:
        return value
    styled.fa.set_flow_style() if flow else styled.fa.set_block_style()
    return styled


def _is_block(content: Any, key: str) -> bool:
    """Whether the value of a dotted key is a list or a section over several lines."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    for part in key.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return isinstance(content, CommentedMap | CommentedSeq) and content.fa.flow_style() is not True


def _keeping() -> "YAML":
    """A reader and writer that keeps comments."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 4096  # or long lines would be broken
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    # Nothing is null, as the file writes it.
    yaml.representer.add_representer(
        type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _dumped(content: Any) -> str:
    stream = io.StringIO()
    _keeping().dump(content, stream)
    return stream.getvalue()


def _reads_as(text: str, expected: Any) -> bool:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text) == expected
    except YAMLError:
        return False
