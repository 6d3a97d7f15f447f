"""Registries: each variant of a concept is a file that registers itself under its key.

Built-in variants are the modules of one package, imported at the first look-up; variants from
elsewhere register when their module is imported (``plugins`` in ``params.yaml``).
"""

import importlib
import sys
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from deep_learning_dynamics.errors import ParamsError

Variant = TypeVar("Variant")


class Registry(Mapping[str, Variant]):
    """The variants of one concept by their keys, in the order in which they registered."""

    def __init__(self, concept: str, package: str, builtin: tuple[str, ...]) -> None:
        """A registry of what messages call a ``concept``: "method", "measure", ...

        Args:
            package: where built-in variants live.
            builtin: names of the modules there that register variants, in the order of display.
        """
        self.concept = concept
        self._package, self._builtin = package, builtin
        self._variants: dict[str, Variant] = {}
        self._loaded = False

    def register(self, variant: Variant) -> Variant:
        """Add a variant under its ``key``; use as a decorator of its class.

        Raises:
            ParamsError: another variant has that key.
        """
        key = variant.key  # type: ignore[attr-defined]
        present = self._variants.get(key)
        if present is not None and _origin(present) != _origin(variant):
            raise ParamsError(
                f"{self.concept} {key!r} is registered by {_origin(present)} and again by "
                f"{_origin(variant)}; expected one. Rename one of them."
            )
        self._variants[key] = variant
        return variant

    def __getitem__(self, key: str) -> Variant:
        """
        Raises:
            ParamsError: no variant has that key; the message names similar ones.
        """
        try:
            return self._all()[key]
        except KeyError:
            similar = get_close_matches(str(key), self._variants, 1)
            hint = f" Did you mean {similar[0]}?" if similar else ""
            known = ", ".join(self._variants)
            raise ParamsError(
                f"{key!r} is not a known {self.concept}; expected one of {known}.{hint}"
            ) from None

    def __contains__(self, key: object) -> bool:
        return key in self._all()

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._all()))

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, Variant]:
        if not self._loaded:
            self._loaded = True  # before the imports, which may look something up themselves
            modules = [f"{self._package}.{name}" for name in self._builtin]
            for module in modules:
                importlib.import_module(module)

            def place(item: tuple[str, Variant]) -> int:
                module = _class(item[1]).__module__
                return modules.index(module) if module in modules else len(modules)

            # Whichever module was imported first: built-in ones in their order, then the others.
            self._variants = dict(sorted(self._variants.items(), key=place))
        return self._variants


def import_plugins(modules: tuple[str, ...]) -> None:
    """Import modules that register variants of their own.

    Raises:
        ParamsError: a module cannot be imported.
    """
    for name in modules:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ParamsError(
                f"plugins names {name}, which cannot be imported ({error}); expected a Python "
                "module. Install it, or put its folder on PYTHONPATH."
            ) from None


def plugin_files(name: str) -> dict[str, Path]:
    """The source files of a plug-in that was imported, by their paths within it."""
    file = Path(getattr(sys.modules.get(name), "__file__", None) or "")
    files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    return {path.relative_to(file.parent).as_posix(): path for path in files if path.is_file()}


def _origin(variant: object) -> str:
    cls = _class(variant)
    return f"{cls.__module__}.{cls.__qualname__}"


def _class(variant: object) -> type:
    return variant if isinstance(variant, type) else type(variant)
