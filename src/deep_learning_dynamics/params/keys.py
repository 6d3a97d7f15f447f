"""The keys of ``params.yaml`` by their dotted names."""

from typing import Any

from pydantic.fields import FieldInfo

from deep_learning_dynamics.params.sections import Params, Section


def known_keys(section: type[Section] = Params, prefix: str = "") -> dict[str, FieldInfo]:
    """Every key of ``params.yaml``, dotted, sections included, in order."""
    keys = {}
    for name, field in section.model_fields.items():
        keys[f"{prefix}{name}"] = field
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            keys |= known_keys(field.annotation, f"{prefix}{name}.")
    return keys


def flattened(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values with dotted keys: ``{"train": {"epochs": 10}}`` → ``{"train.epochs": 10}``."""
    flat = {}
    for key, value in values.items():
        flat |= (
            flattened(value, f"{prefix}{key}.")
            if isinstance(value, dict)
            else {f"{prefix}{key}": value}
        )
    return flat
