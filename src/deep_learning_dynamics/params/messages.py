"""Says in words what is wrong with a value and what would be right."""

import difflib
import json
import types
import typing
from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from deep_learning_dynamics.params.keys import known_keys
from deep_learning_dynamics.params.sections import Section


def explained(problem: Any, raw: dict[str, Any]) -> str:
    """One of pydantic's problems as a sentence: the key, what was found, what is expected."""
    keys = known_keys()
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
        unknown = ".".join(location)
        nearest = difflib.get_close_matches(unknown, keys, n=1, cutoff=0)[0]
        return f"{unknown} = {shown(problem['input'])} is not a known key. Did you mean {nearest}?"
    if problem["type"] == "missing":
        return f"{key} is missing; expected {_allowed(keys[key])}."
    found = raw
    for part in key.split("."):
        found = found[part]
    return f"{key} is {shown(found)}; expected {_allowed(keys[key])}."


def shown(value: Any) -> str:
    """A value as one would write it, cut if it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):  # a key that is no text, or a list within itself
        text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _allowed(field: FieldInfo) -> str:
    return _described(field.annotation, field.metadata)


def _described(annotation: Any, metadata: Sequence[Any]) -> str:
    """What a type with constraints allows, in words."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *extra = get_args(annotation)
        extra = [m for e in extra for m in (e.metadata if isinstance(e, FieldInfo) else [e])]
        return _described(inner, extra)
    if origin is Literal:
        return " or ".join(str(value) for value in get_args(annotation))
    if origin in (types.UnionType, typing.Union):
        return ", or ".join(_described(option, metadata) for option in get_args(annotation))
    if origin is tuple:
        return f"a list, each {_described(get_args(annotation)[0], [])}"
    if annotation is bool:
        return "true or false"
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return f"a section with the keys {', '.join(annotation.model_fields)}"
    bounds = {
        bound: getattr(constraint, bound)
        for constraint in metadata
        for bound in ("gt", "ge", "le")
        if hasattr(constraint, bound)
    }
    noun = "a whole number" if annotation is int else "a number"
    if "ge" in bounds and "le" in bounds:
        return f"{noun} from {bounds['ge']:,} to {bounds['le']:,}"
    if "gt" in bounds:
        return f"{noun} above {bounds['gt']:,}"
    return f"{noun} of {bounds['ge']:,} or more"
