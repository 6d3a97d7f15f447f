"""Says in words what is wrong with a value of ``params.yaml`` and what would be right."""

import difflib
import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def explained(problem: Any, raw: dict[Any, Any], keys: Mapping[str, Any]) -> str:
    """One of pydantic's problems as a sentence: the key, what was found, what is expected.

    Args:
        keys: every known key by its dotted name, with its type.
    """
    location = [str(part) for part in problem["loc"]]
    key = next(
        (
            ".".join(location[:n])
            for n in range(len(location), 0, -1)
            if ".".join(location[:n]) in keys
        ),
        "",
    )
    if problem["type"] == "extra_forbidden":
        # Options of a union (a section or nothing) add parts of their own to the location.
        unknown = ".".join([key, location[-1]] if key else location)
        nearest = difflib.get_close_matches(unknown, keys, n=1, cutoff=0)[0]
        return f"{unknown} = {shown(problem['input'])} is not a known key. Did you mean {nearest}?"
    missing = key if location[-1] == key.split(".")[-1] else f"{key}.{location[-1]}"
    if problem["type"] == "missing" and missing in keys:  # else an entry of a list
        return f"{missing} is missing; expected {allowed(keys[missing])}."
    found: Any = raw
    for part in key.split("."):
        found = found[part] if isinstance(found, dict) and part in found else problem["input"]
    return f"{key} is {shown(found)}; expected {allowed(keys[key])}.{_similar(found, keys[key])}"


def shown(value: Any) -> str:
    """A value as one would write it, cut if it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):  # a key that is no text, or a list in itself
        text = str(value)
    return printable(text, 60)


def printable(text: str, longest: int) -> str:
    """A text that every terminal can print, cut if it is long."""
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        text = text.encode("ascii", "backslashreplace").decode()
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def allowed(field: Any) -> str:
    """What a key may hold, in words."""
    if isinstance(field, FieldInfo):
        return _described(field.annotation, field.metadata)
    return _described(field, [])


def _similar(found: Any, field: Any) -> str:
    choices = _choices(getattr(field, "annotation", field), getattr(field, "metadata", []))
    values = found if isinstance(found, list) else [found]
    for value in values:
        if isinstance(value, str) and choices and value not in choices:
            near = difflib.get_close_matches(value, choices, n=1)
            return f" Did you mean {near[0]}?" if near else ""
    return ""


def _choices(annotation: Any, metadata: Sequence[Any]) -> tuple[str, ...]:
    for each in metadata:
        if hasattr(each, "keys") and not isinstance(each, dict):
            return each.keys
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *extra = get_args(annotation)
        return _choices(inner, extra)
    if origin is tuple:
        return _choices(get_args(annotation)[0], [])
    return get_args(annotation) if origin is Literal else ()


def _described(annotation: Any, metadata: Sequence[Any]) -> str:
    """What a type with constraints allows."""
    for each in metadata:
        if hasattr(each, "keys") and not isinstance(each, dict):
            return " or ".join(each.keys)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner, *extra = arguments
        extra = [m for e in extra for m in (e.metadata if isinstance(e, FieldInfo) else [e])]
        return _described(inner, [*metadata, *extra])
    if origin is Literal:
        return " or ".join(str(value) for value in arguments)
    if origin in (types.UnionType, typing.Union):
        words = ["null" if each is type(None) else _described(each, metadata) for each in arguments]
        return ", or ".join(words)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"a list, each {_described(arguments[0], [])}"
        return f"a list of {len(arguments)}: {', '.join(_described(a, []) for a in arguments)}"
    if annotation is bool:
        return "true or false"
    if annotation is str:
        return "text"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        names = list(annotation.model_fields)
        return f"a section with the keys {', '.join(names)}" if names else "an empty section, {}"
    return _number(annotation, metadata)


def _number(annotation: Any, metadata: Sequence[Any]) -> str:
    bounds = {
        bound: getattr(constraint, bound)
        for constraint in metadata
        for bound in ("gt", "ge", "lt", "le")
        if getattr(constraint, bound, None) is not None
    }
    noun = {int: "a whole number", float: "a number"}.get(annotation, str(annotation))
    low = f"of {bounds['ge']:,} or more" if "ge" in bounds else ""
    if "gt" in bounds:
        low = f"above {bounds['gt']:,}"
    high = ""
    if "le" in bounds or "lt" in bounds:
        if "ge" in bounds and "le" in bounds:
            return f"{noun} from {bounds['ge']:,} to {bounds['le']:,}"
        high = f"up to {bounds['le']:,}" if "le" in bounds else f"below {bounds['lt']:,}"
    return " ".join(part for part in (noun, low, "and" if low and high else "", high) if part)
