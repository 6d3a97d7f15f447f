"""What sections of ``params.yaml`` are made of: strict models, keys of registries, ``Settings``."""

import importlib
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model
from pydantic_core import CoreSchema, core_schema

from deep_learning_dynamics.registry import Registry


class KeyOf:
    """Marks a text that is the key of a registered variant: of "study.datasets.DATASETS"."""

    def __init__(self, registry: str, *others: str) -> None:
        """
        Args:
            others: texts that are allowed besides.
        """
        self._registry, self._others = registry, others

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are allowed."""
        return (*self._others, *registry(self._registry))

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        def check(value: str) -> str:
            if value not in self.keys:
                raise ValueError("not a known key")
            return value

        return core_schema.no_info_after_validator_function(check, core_schema.str_schema())


def registry(name: str) -> Registry:
    """A registry by its module and name, imported when it is needed and not before."""
    module, _, variable = name.rpartition(".")
    return getattr(importlib.import_module(f"deep_learning_dynamics.{module}"), variable)


class Section(BaseModel):
    """A block of ``params.yaml``: unknown keys and values of a wrong type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def settings_section(settings: type, name: str, **more: Any) -> type[Section]:
    """The fields of a dataclass as a section; keys that are not given have defaults."""
    hints = get_type_hints(settings, include_extras=True)
    keys = dict(more)
    for each in fields(settings):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        keys[each.name] = (hints[each.name], ... if default is MISSING else default)
    return create_model(name, __base__=Section, **keys)
