"""Settings from the command line: ``train.epochs=20`` beside, and for a while in, ``params.yaml``.

Values are read as the file is read (YAML 1.2) and checked as the file is checked.
"""

import copy
import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.errors import DynamicsError, ParamsError
from deep_learning_dynamics.lab.interrupts import like_ctrl_c
from deep_learning_dynamics.params import Params

ORIGIN = "params.yaml with -S"  # where values came from, in messages
KEPT = Path(
    ".dvc/tmp/params"
)  # params.yaml as it was and as it was changed to, while it is changed


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


def checked(path: Path, values: Mapping[str, Any], origin: str = ORIGIN) -> Params:
    """What ``params.yaml`` at ``path`` says with dotted keys set; nothing is written.

    Raises:
        ParamsError: in the words of :func:`params.load`.
    """
    if not values:
        return parameters.load(path)
    return parameters.validate(with_values(parameters.read(path), values), origin)


def text_with(path: Path, values: Mapping[str, Any]) -> str:
    """The text of ``params.yaml`` with dotted keys set; comments and order stay."""
    text, expected = path.read_text(encoding="utf-8"), with_values(parameters.read(path), values)
    content = _keeping().load(text)
    for key, value in values.items():
        _set(content, key, _styled(value, flow=not _is_block(content, key)))
    result = _dumped(content)
    # ruamel.yaml can lose a line break where comments stand in unusual places.
    return result if _reads_as(result, expected) else _dumped(expected)


def described(values: Mapping[str, Any]) -> str:
    """Values on one line, as one could give them: ``train.epochs=20, track.layers=[2, 3]``."""
    return ", ".join(f"{key}={written(value)}" for key, value in values.items())


def written(value: Any) -> str:
    """A value as YAML on one line, such that it is read back as it is."""
    return _dumped(_styled([value])).strip()[1:-1]


@contextmanager
def in_place(root: Path, values: Mapping[str, Any]) -> Iterator[bool]:
    """Set dotted keys in ``params.yaml`` for as long as the block runs; then it is as it was.

    The block gets whether anything differs from what the file says. It is alone in the project even
    if nothing does, so that no other run sets keys while its stages read the file.

    Should this process die in the block, :func:`recover` puts the file back. What a person wrote
    into it in the meantime stays.

    Raises:
        DynamicsError: another run is at work in the project.
    """
    path, kept = root / "params.yaml", root / KEPT
    with alone(root), like_ctrl_c():
        _restore(path, kept)
        plain = parameters.read(path)
        if with_values(plain, values) == plain:
            yield False
            return
        before, during = path.read_bytes(), text_with(path, values).encode()
        (kept / "before").write_bytes(before)
        (kept / "during").write_bytes(during)
        _replace(path, during)
        try:
            yield True
        finally:
            _restore(path, kept)


def recover(root: Path) -> None:
    """Put ``params.yaml`` back if a process that had set keys in it was killed. Says so."""
    kept = root / KEPT
    if not (kept / "during").exists():
        return
    with alone(root):
        if _restore(root / "params.yaml", kept):
            print("params.yaml is again as it was before a run that was killed.")


def _collected(texts: Sequence[str], read: Any) -> dict[str, Any]:
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
    try:
        return YAML(typ="safe", pure=True).load(value)
    except (YAMLError, ValueError) as error:  # the latter from a date that is none, for example
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ParamsError(f"-S {text}: the value is not valid YAML: {reason}") from None


def _values(text: str, value: str) -> list[Any]:
    # Commas within brackets belong to a value: [8, 8],[16, 16] are two.
    found = _value(text, f"[{value}\n]")
    if not found:
        raise ParamsError(f"-S {text}: expected values with commas between, such as seed=1,2,3.")
    return [value for n, value in enumerate(found) if value not in found[:n]]


def _set(content: dict[str, Any], key: str, value: Any) -> None:
    *sections, name = key.split(".")
    for section in sections:
        if not isinstance(content.get(section), dict):
            content[section] = {}
        content = content[section]
    content[name] = value


def _styled(value: Any, flow: bool = True) -> Any:
    """Lists and sections on one line, as params.yaml writes them, or as they were in the file."""
    if isinstance(value, dict):
        section = CommentedMap((key, _styled(entry, flow)) for key, entry in value.items())
        section.fa.set_flow_style() if flow else section.fa.set_block_style()
        return section
    if isinstance(value, list | tuple):
        entries = CommentedSeq(_styled(entry, flow) for entry in value)
        entries.fa.set_flow_style() if flow else entries.fa.set_block_style()
        return entries
    return value


def _is_block(content: Any, key: str) -> bool:
    """Whether the value of a dotted key is a list or a section over several lines."""
    for part in key.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return isinstance(content, CommentedMap | CommentedSeq) and content.fa.flow_style() is not True


def _keeping() -> YAML:
    """A reader and writer that keeps comments."""
    yaml = YAML()
    yaml.width = 4096  # or long lines would be broken
    yaml.preserve_quotes = True
    return yaml


def _dumped(content: Any) -> str:
    stream = io.StringIO()
    _keeping().dump(content, stream)
    return stream.getvalue()


def _reads_as(text: str, expected: Any) -> bool:
    try:
        return YAML(typ="safe", pure=True).load(text) == expected
    except YAMLError:
        return False


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Keep other runs from changing ``params.yaml`` for as long as the block runs.

    Raises:
        DynamicsError: one is at work.
    """
    import fcntl

    kept = root / KEPT
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with the process
        except BlockingIOError:
            raise DynamicsError(
                "Another dynamics command is at work in this project, and params.yaml may be set "
                "for its run; expected to be alone. Wait until it ends, or stop it with Ctrl-C."
            ) from None
        yield


def _restore(path: Path, kept: Path) -> bool:
    """Whether the file had to be, and could be, put back."""
    before, during = kept / "before", kept / "during"
    if not (before.exists() and during.exists()):
        return False
    ours = path.exists() and path.read_bytes() == during.read_bytes()
    if ours:
        _replace(path, before.read_bytes())
    during.unlink()
    before.unlink()
    return ours


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; a link stays a link, and who may read it may still."""
    path = path.resolve()
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    shutil.copymode(path, partial)
    partial.replace(path)
