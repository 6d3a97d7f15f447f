"""The building blocks of sections of ``params.yaml``, and explanations of invalid values."""

import difflib
import importlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Annotated, Any, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from deep_learning_dynamics.registry import Registry

KINDS = {"integer": "a whole number", "number": "a number", "boolean": "true or false",
         "string": "text", "null": "null"}  # fmt: skip
BOUNDS = {"minimum": "of {:,} or more", "exclusiveMinimum": "above {:,}", "maximum": "up to {:,}",
          "exclusiveMaximum": "below {:,}"}  # fmt: skip


class Section(BaseModel):
    """A block of ``params.yaml``: unknown keys and values of a wrong type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def key_of(name: str, *others: str) -> Any:
    """The type of a text that is the key of a registered variant: of "study.datasets.DATASETS".

    Args:
        others: texts that are allowed besides.
    """

    def keys() -> list[str]:
        return [*others, *registry(name)]

    def check(value: str) -> str:
        if value not in keys():
            raise ValueError("not a known key")
        return value

    # The keys are looked up at each use, as plug-ins may have registered more.
    choices = Field(json_schema_extra=lambda schema: schema.update(enum=keys()))
    return Annotated[str, AfterValidator(check), choices]


def registry(name: str) -> Registry:
    """A registry by its module and name, imported when it is needed and not before."""
    module, _, variable = name.rpartition(".")
    return getattr(importlib.import_module(f"deep_learning_dynamics.{module}"), variable)


def settings_section(settings: type, name: str) -> type[Section]:
    """The fields of a dataclass as a section; keys that are not given have defaults."""
    hints = get_type_hints(settings, include_extras=True)
    keys = {}
    for each in fields(settings):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        keys[each.name] = (hints[each.name], ... if default is MISSING else default)
    return create_model(name, __base__=Section, **keys)


def known_keys(sections: type[Section]) -> dict[str, Any]:
    """Every key by its dotted name, sections included, in order, with its JSON schema."""
    schema = sections.model_json_schema()
    found: dict[str, Any] = {}

    def resolved(part: Any) -> Any:
        if isinstance(part, dict):
            part = schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
            return {key: resolved(value) for key, value in part.items()}
        return [resolved(each) for each in part] if isinstance(part, list) else part

    def add(prefix: str, section: dict[str, Any]) -> None:
        for name, field in section.get("properties", {}).items():
            found[f"{prefix}{name}"] = field
            for option in field.get("anyOf", [field]):
                add(f"{prefix}{name}.", option)

    add("", resolved(schema | {"$defs": {}}))
    return found


def explained(problem: Any, raw: Mapping[Any, Any], keys: Mapping[str, Any]) -> str:
    """One of pydantic's problems as a sentence: the key, what was found, what is expected.

    Args:
        keys: as :func:`known_keys` gives them.
    """
    location = [str(part) for part in problem["loc"]]
    # Options of a union (a section or nothing) and entries of lists add parts of their own.
    beginnings = [".".join(location[:n]) for n in range(len(location), 0, -1)]
    key = next((each for each in beginnings if each in keys), "")
    if problem["type"] == "json_invalid":  # half of a surrogate pair, or a list in itself
        return f"a value cannot be read ({problem['msg']}); expected plain text, numbers, lists."
    if problem["type"] == "extra_forbidden":
        unknown = ".".join([key, location[-1]] if key else location)
        return (
            f"{unknown} = {shown(problem['input'])} is not a known key"
            f"{_instead(key, location[-1], keys)}"
        )
    missing = key if location[-1] == key.split(".")[-1] else f"{key}.{location[-1]}"
    if problem["type"] == "missing" and missing in keys:  # else an entry of a list
        return f"{missing} is missing; expected {allowed(keys[missing])}."
    found: Any = raw
    for part in key.split("."):
        found = found[part] if isinstance(found, dict) and part in found else problem["input"]
    return f"{key} is {shown(found)}; expected {allowed(keys[key])}.{_similar(found, keys[key])}"


def _instead(section: str, name: str, keys: Mapping[str, Any]) -> str:
    """The end of a sentence about an unknown key: a similar one, else those of its section."""
    siblings = {key.split(".")[-1]: key for key in keys if key.rpartition(".")[0] == section}
    elsewhere = {key.split(".")[-1]: key for key in sorted(keys, key=len, reverse=True)}
    for names, cutoff in ((siblings, 0.6), (elsewhere, 0.8)):
        if near := difflib.get_close_matches(name, names, n=1, cutoff=cutoff):
            return f". Did you mean {names[near[0]]}?"
    return f"; expected one of {', '.join(siblings)}." if siblings else "; expected none here."


def shown(value: Any, longest: int = 60) -> str:
    """A value as one would write it, cut if it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):  # a key that is no text, or a list in itself
        text = str(value)
    text = text.encode(errors="backslashreplace").decode()  # half of a surrogate pair
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def allowed(schema: Mapping[str, Any]) -> str:
    """What a key may hold, in words."""
    if "anyOf" in schema:
        return ", or ".join(map(allowed, schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "prefixItems" in schema:
        parts = schema["prefixItems"]
        return f"a list of {len(parts)}: {', '.join(map(allowed, parts))}"
    if "items" in schema:
        least = f" of at least {schema['minItems']}" if "minItems" in schema else ""
        return f"a list{least}, each {allowed(schema['items'])}"
    if "properties" in schema:
        names = ", ".join(schema["properties"])
        return f"a section with the keys {names}" if names else "an empty section, {}"
    kind = KINDS.get(schema.get("type", ""), schema.get("type", "another value"))
    if "minimum" in schema and "maximum" in schema:
        return f"{kind} from {schema['minimum']:,} to {schema['maximum']:,}"
    bounds = [words.format(schema[bound]) for bound, words in BOUNDS.items() if bound in schema]
    return f"{kind} {' and '.join(bounds)}".rstrip()


def _similar(found: Any, schema: Mapping[str, Any]) -> str:
    choices = schema.get("enum") or schema.get("items", {}).get("enum", ())
    values = found if isinstance(found, list) else [found]
    wrong = [value for value in values if isinstance(value, str) and value not in choices]
    near = difflib.get_close_matches(wrong[0], choices, n=1) if wrong else []
    return f" Did you mean {near[0]}?" if near else ""
