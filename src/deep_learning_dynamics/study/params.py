"""``params.yaml`` as typed, validated, immutable objects: the door through which settings come in.

Sections are built from the registries, so a method, dataset or network of a plug-in has its keys
without a change here. A stage reads the sections that it names and no other.
"""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, create_model

from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.registry import import_plugins, plugin_files
from deep_learning_dynamics.study.sections import (
    Section,
    explained,
    key_of,
    known_keys,
    registry,
    settings_section,
    shown,
)
from deep_learning_dynamics.workspace import git

Positive = Annotated[float, Field(gt=0, le=1_000_000)]
NotNegative = Annotated[float, Field(ge=0, le=1_000_000)]
Text = Annotated[str, Field(min_length=1)]


def _count(low: int, high: int) -> Any:
    return Annotated[int, Field(ge=low, le=high)]


class DataSection(Section):
    """Where datasets are looked for; with a section for each dataset that has settings."""

    sources: Annotated[tuple[Literal["local", "download", "embedded"], ...], Field(min_length=1)]

    def settings(self, dataset: str) -> Any:
        """The settings of a dataset, defaults where it has no section."""
        return _instance(registry("study.datasets.DATASETS")[dataset], getattr(self, dataset, None))


class NetworkSection(Section):
    """What is trained; with the settings of its kind."""

    kind: key_of("study.networks.NETWORKS")

    def settings(self) -> Any:
        """The settings of this kind of network."""
        values = self.model_dump(exclude={"kind"})
        return registry("study.networks.NETWORKS")[self.kind].Settings(**values)


class SnapshotsSection(Section):
    """How many snapshots are taken; the one at step 0 comes on top."""

    first_epoch: _count(1, 10_000)
    per_epoch: _count(1, 10_000)


class PretrainSection(Section):
    """How networks learn a dataset."""

    dataset: key_of("study.datasets.DATASETS")
    optimiser: key_of("study.optimisers.OPTIMISERS")
    learning_rate: Positive
    weight_decay: NotNegative
    batch_size: _count(1, 60_000)
    batch_order: Literal["per_pair", "shared"]
    epochs: _count(1, 10_000)
    snapshots: SnapshotsSection


class TrainSection(PretrainSection):
    """How networks learn the dataset of the question, and what is kept of them."""

    scored_examples: _count(1, 60_000)
    probes: _count(1, 10_000)


class ViewSection(Section):
    """Which weights of which snapshots are projected."""

    parameters: Text | Annotated[tuple[Text, ...], Field(min_length=1)]
    snapshots: _count(2, 1_000_000) | None
    separately: bool
    align: key_of("selection.ALIGNMENTS", "none")


class ProjectSection(Section):
    """With which methods; with a section for each method."""

    methods: Annotated[tuple[key_of("projection.METHODS"), ...], Field(min_length=1)]
    fit_on_first_network_only: bool

    def settings(self, method: str) -> Any:
        """The settings of a method, defaults where its section says nothing."""
        return _instance(registry("projection.METHODS")[method], getattr(self, method, None))


class GeometrySection(Section):
    """What is asked of the networks' weights without any projection."""

    analyses: tuple[key_of("geometry.ANALYSES"), ...]
    examples: _count(1, 1_000_000)


class FiguresSection(Section):
    """How figures are saved."""

    width: Annotated[float, Field(ge=2, le=40)]
    title: bool
    formats: Annotated[tuple[Literal["png", "svg", "pdf"], ...], Field(min_length=1)]
    dpi: _count(50, 600)


class Params(Section):
    """One experiment's settings: those sections of ``TYPES`` that were asked for."""

    def projection_options(self, method: str) -> dict[str, Any]:
        """The keyword arguments of :func:`project`."""
        return {
            "settings": self.project.settings(method),
            "seed": self.seed,
            "robustness": self.robustness_settings(),
            "fit_on": "path == 0" if self.project.fit_on_first_network_only else None,
        }

    def comparison_options(self) -> dict[str, Any]:
        """The keyword arguments of :func:`compare`: by default, all conditions with the first."""
        first, *others = self.conditions
        return {
            "contrasts": self.contrasts or [(first, other) for other in others],
            "seed": self.seed,
            "command": "dynamics run -S pairs={pairs}",
        }

    def robustness_settings(self) -> Any:
        """How projections are tested."""
        from deep_learning_dynamics.projection.robustness import RobustnessSettings

        given = self.robustness
        return RobustnessSettings.of(given if isinstance(given, str) else given.model_dump())

    def as_json(self) -> dict[str, Any]:
        """Plain values of all keys, defaults included, without sections that are not there."""
        values = self.model_dump(mode="json")
        for name in values.keys() & {"project", "data"}:
            values[name] = {key: value for key, value in values[name].items() if value is not None}
        return values


Condition = key_of("study.conditions.CONDITIONS")
# The type of each section, from the plain contents of the file; what a registry holds is imported
# for those that need it.
TYPES: dict[str, Callable[[dict[Any, Any]], Any]] = {
    "seed": lambda raw: _count(0, 2**32 - 1),
    "plugins": lambda raw: tuple[Text, ...],
    "data": lambda raw: _with_variants(DataSection, "study.datasets.DATASETS"),
    "network": lambda raw: _network(raw),
    "conditions": lambda raw: Annotated[tuple[Condition, ...], Field(min_length=1)],
    "contrasts": lambda raw: tuple[tuple[Condition, Condition], ...],
    "pairs": lambda raw: _count(1, 10_000),
    "twins": lambda raw: bool,
    "pretrain": lambda raw: PretrainSection,
    "train": lambda raw: TrainSection,
    "view": lambda raw: ViewSection,
    "project": lambda raw: _with_variants(ProjectSection, "projection.METHODS"),
    "robustness": lambda raw: _robustness(),
    "geometry": lambda raw: GeometrySection,
    "figures": lambda raw: FiguresSection,
}
SECTIONS = tuple(TYPES)


def load(path: Path = Path("params.yaml"), sections: tuple[str, ...] = SECTIONS) -> Params:
    """Read and check ``params.yaml``, or some sections of it.

    Raises:
        ParamsError: the file cannot be read or a value in it is not allowed; the message has a
            line for each problem with the key, the value found and what is allowed.
    """
    return validate(read(path), path.name, sections, folder=path.parent)


def read(path: Path) -> dict[Any, Any]:
    """The plain contents of ``params.yaml``, read as DVC reads it (YAML 1.2), unchecked.

    Raises:
        ParamsError: there is no such file, or it is not YAML with sections.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        # YAML 1.2, unlike PyYAML's 1.1, reads 1e-4 as a number; DVC uses the same reader.
        raw = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            f"{path} does not exist; expected the experiment's parameters. "
            f"Run this in the project's folder{_or_restore(path)}."
        ) from None
    except OSError as error:
        raise ParamsError(f"{path} cannot be read: {error.strerror}.") from None
    except (
        YAMLError, ValueError, TypeError, AttributeError, AssertionError, RecursionError,
    ) as error:  # fmt: skip
        # Others than YAMLError come from a date that is none, for example.
        raise ParamsError(
            f"{path} is not valid YAML: {_reason(error)}. Correct it{_or_restore(path)}."
        ) from None
    if not isinstance(raw, dict):
        found = "no settings" if raw is None else shown(raw)
        raise ParamsError(
            f"{path} holds {found}; expected sections such as network, train. "
            f"Correct it{_or_restore(path)}."
        )
    return raw


def _reason(error: Exception) -> str:
    """What is wrong in a file of YAML, and in which line and column."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return shown(" ".join(str(error).split()), 300)
    if "\\t" in problem:
        problem = "a tab; expected spaces"
    elif problem == "mapping values are not allowed here":
        problem = (
            "a colon that does not belong here: this line is indented too far, or the line "
            "before lacks a colon"
        )
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem[:200]}"


def _or_restore(path: Path) -> str:
    """The command that restores a file, where git has it."""
    tracked = git(path.absolute().parent, "ls-files", "--", path.name)
    return f", or restore it as committed: git checkout {path.name}" if tracked else ""


def validate(
    raw: dict[Any, Any],
    origin: str = "params.yaml",
    sections: tuple[str, ...] = SECTIONS,
    folder: Path = Path(),
) -> Params:
    """Check plain values.

    Args:
        origin: says in messages where they came from.
        sections: those that are checked and returned.
        folder: where modules of ``plugins`` may lie, besides where Python finds modules.

    Raises:
        ParamsError: as in :func:`load`.
    """
    _check_size(raw, origin)
    try:
        values = json.loads(json.dumps(raw, default=str))
    except (TypeError, ValueError, RecursionError) as error:  # a key that is no text, or a loop
        raise ParamsError(
            f"{origin}: {error}; expected sections of keys and values, such as train.epochs: 10."
        ) from None
    _import_plugins(raw, origin, folder)
    unknown = values.keys() - set(SECTIONS)
    model = _model(sections, raw)
    # Through JSON, where a list is a valid tuple although the check is strict.
    text = json.dumps({key: values[key] for key in values if key in unknown or key in sections})
    problems = []
    try:
        checked = model.model_validate_json(text)
    except ValidationError as error:
        known = known_keys(_model(SECTIONS, raw) if unknown else model)
        problems = list(dict.fromkeys(explained(each, raw, known) for each in error.errors()))
    if not problems and set(SECTIONS) <= set(sections):
        from deep_learning_dynamics.study.agreement import disagreements

        problems = list(disagreements(checked))
    if problems:
        raise ParamsError("\n".join(f"{origin}: {problem}" for problem in problems))
    return checked


MOST_VALUES = 100_000  # of all keys together: far beyond, YAML's aliases multiply without bound


def _check_size(raw: dict[Any, Any], origin: str) -> None:
    """Refuse what would take for ever to check, and texts that nothing could write."""
    seen, waiting = 0, [(key, value, 1) for key, value in raw.items()]
    while waiting:
        key, value, depth = waiting.pop()
        seen += 1
        if seen > MOST_VALUES or depth > 50:
            what = "nested too deeply" if depth > 50 else f"more than {MOST_VALUES:,} values"
            raise ParamsError(f"{origin}: {key} is {what}; expected settings.")
        if isinstance(value, dict):
            waiting += [(key, each, depth + 1) for each in (*value, *value.values())]
        elif isinstance(value, list):
            waiting += [(key, each, depth + 1) for each in value]
        elif isinstance(value, str) and re.search("[\ud800-\udfff]", value):
            raise ParamsError(
                f"{origin}: {key} holds {shown(value)}; expected text that can be written in "
                "UTF-8, without halves of surrogate pairs."
            )


def _model(sections: tuple[str, ...], raw: dict[Any, Any]) -> type[Params]:
    keys = {name: (make(raw), ...) for name, make in TYPES.items() if name in sections}
    return create_model("Params", __base__=Params, **keys)


def record_plugins(plugins: tuple[str, ...]) -> dict[str, Any]:
    """A hash of the code of each plug-in, for DVC: stages run again when it changes."""
    return {
        name: {
            part: sha256(path.read_bytes()).hexdigest() for part, path in plugin_files(name).items()
        }
        for name in plugins
    }


def _with_variants(base: type[Section], name: str) -> type[Section]:
    """A section with an optional one for each variant that has settings."""
    keys = {
        key: (settings_section(variant.Settings, variant.__name__) | None, None)
        for key, variant in registry(name).items()
        if fields(variant.Settings) or base is ProjectSection
    }
    return create_model(base.__name__, __base__=base, **keys)


def _network(raw: dict[Any, Any]) -> type[Section]:
    """The keys of the kind of network that is set."""
    networks = registry("study.networks.NETWORKS")
    section = raw.get("network")
    kind = section.get("kind") if isinstance(section, dict) else None
    variant = networks[kind] if isinstance(kind, str) and kind in networks else networks["mlp"]
    return create_model(
        "NetworkSection",
        __base__=(NetworkSection, settings_section(variant.Settings, variant.__name__)),
    )


def _robustness() -> Any:
    """The name of a preset, or settings."""
    from deep_learning_dynamics.projection.robustness import PRESETS, RobustnessSettings

    section = settings_section(RobustnessSettings, "Robustness")
    return Literal[tuple(PRESETS)] | section  # type: ignore[valid-type]


def _instance(variant: Any, section: Section | None) -> Any:
    return variant.Settings(**({} if section is None else dict(section)))


def _import_plugins(raw: dict[Any, Any], origin: str, folder: Path) -> None:
    names = raw.get("plugins") or []
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        return  # the check of the sections says so
    if names and str(folder.resolve()) not in sys.path:
        sys.path.insert(0, str(folder.resolve()))
    try:
        import_plugins(tuple(names))
    except ParamsError as error:
        raise ParamsError(f"{origin}: {error}") from None
