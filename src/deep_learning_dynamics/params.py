"""``params.yaml`` as typed, validated, immutable objects: the door through which settings come in.

Nothing has a default here: ``params.yaml`` is the only place where values are written.
"""

import difflib
import json
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from deep_learning_dynamics.errors import ParamsError

Activation = Literal["identity", "logistic", "tanh", "relu"]
Algorithm = Literal["sgd", "adam"]
Arm = Literal["scratch", "pretrained"]
BatchOrder = Literal["shared", "per_network"]
DatasetName = Literal["mnist", "omniglot"]
Method = Literal["pca", "som", "autoencoder", "autoencoder_som", "autoencoder_tsne", "umap"]
Source = Literal["local", "download", "embedded"]
Target = Literal["alphabet", "character"]

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


def _count(low: int, high: int) -> Any:
    return Annotated[int, Field(ge=low, le=high)]


class Section(BaseModel):
    """A block of ``params.yaml``: unknown keys and values of a wrong type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Omniglot(Section):
    target: Target


class Data(Section):
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    omniglot: Omniglot


class Network(Section):
    hidden_layers: Annotated[tuple[_count(1, 4096), ...], Field(min_length=1)]
    activation: Activation


class Snapshots(Section):
    """How many snapshots are taken; the one at step 0 comes on top."""

    first_epoch: _count(1, 10_000)
    per_epoch: _count(1, 10_000)


class Pretrain(Section):
    algorithm: Algorithm
    learning_rate: Positive
    weight_decay: NotNegative
    batch_size: _count(1, 60_000)
    batch_order: BatchOrder
    epochs: _count(1, 10_000)
    snapshots: Snapshots


class Train(Pretrain):
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)]
    networks: _count(1, 10_000)
    scored_examples: _count(1, 60_000)
    probes: _count(1, 10_000)


class Track(Section):
    layers: Literal["all"] | Annotated[tuple[_count(1, 1000), ...], Field(min_length=1)]
    separately: bool
    average_hidden_layers: bool
    biases: bool


class Pca(Section):
    whiten: bool


class Som(Section):
    rows: _count(2, 200)
    columns: _count(2, 200)
    updates: _count(1, 10_000_000)
    learning_rate: Positive
    radius: Positive


class Autoencoder(Section):
    hidden_units: _count(1, 4096)
    iterations: _count(1, 1_000_000)
    restarts: _count(1, 100)


class AutoencoderSom(Som):
    code_units: _count(2, 4096)


class AutoencoderTsne(Section):
    code_units: _count(2, 4096)
    perplexity: Annotated[float, Field(ge=1)]
    iterations: _count(1, 100_000)


class Umap(Section):
    neighbours: _count(2, 1000)
    minimum_distance: Annotated[float, Field(ge=0, le=1)]


class Project(Section):
    methods: Annotated[tuple[Method, ...], Field(min_length=1)]
    fit_on_first_network_only: bool
    pca: Pca
    som: Som
    autoencoder: Autoencoder
    autoencoder_som: AutoencoderSom
    autoencoder_tsne: AutoencoderTsne
    umap: Umap


class Trust(Section):
    """How often each projection is tested; 0 leaves a test out."""

    seeds: _count(0, 1000)
    folds: _count(0, 1000)
    nulls: _count(0, 1000)


class Plot(Section):
    dpi: _count(50, 600)


class Params(Section):
    """One experiment's settings."""

    seed: _count(0, 2**32 - 1)
    data: Data
    network: Network
    pretrain: Pretrain
    train: Train
    track: Track
    project: Project
    trust: Trust
    plot: Plot

    @model_validator(mode="after")
    def _keys_agree(self) -> "Params":
        problems = list(_repeated(self)) + list(_untrackable(self))
        if problems:
            raise ParamsError("\n".join(problems))
        return self


def _repeated(params: Params) -> Iterator[str]:
    lists = {
        "data.sources": params.data.sources,
        "train.arms": params.train.arms,
        "project.methods": params.project.methods,
        "track.layers": () if params.track.layers == "all" else params.track.layers,
    }
    for key, values in lists.items():
        for value in dict.fromkeys(value for value in values if values.count(value) > 1):
            yield f"{key} names {value} more than once; expected each at most once."


def _untrackable(params: Params) -> Iterator[str]:
    track, widths = params.track, params.network.hidden_layers
    count = len(widths) + 1
    shapes = dict(enumerate(zip((784, *widths), (*widths, 10), strict=True), start=1))
    layers = tuple(shapes) if track.layers == "all" else track.layers
    unknown = [layer for layer in layers if layer > count]
    if unknown:
        yield (
            f"track.layers names layer {unknown[0]}; expected numbers from 1 to {count}: "
            f"{len(widths)} hidden layers make {count} layers of weights."
        )
        return
    if track.separately and len({shapes[layer] for layer in layers}) > 1:
        found = ", ".join(f"layer {n}: {shapes[n][0]}×{shapes[n][1]}" for n in layers)
        yield (
            "track.separately is true, but the tracked layers differ in shape "
            f"({found}); expected layers of one shape. Set track.layers to a list of such layers."
        )
    if track.average_hidden_layers:
        hidden = {shapes[n] for n in range(2, count)}
        if track.layers != "all" or track.separately:
            yield (
                "track.average_hidden_layers is true; expected track.layers: all and "
                "track.separately: false beside it, because it averages over the layers."
            )
        elif len(hidden) != 1:
            found = "no hidden-to-hidden layer" if not hidden else f"shapes {sorted(hidden)}"
            yield (
                f"track.average_hidden_layers is true, but network.hidden_layers {list(widths)} "
                f"has {found}; expected two or more hidden layers of one width."
            )


def load(path: Path = Path("params.yaml")) -> Params:
    """Read and check ``params.yaml``.

    Raises:
        ParamsError: the file cannot be read or a value in it is not allowed; the message has a
            line for each problem with the key, the value found and what is allowed.
    """
    return validate(read(path), origin=path.name)


def read(path: Path) -> dict[str, Any]:
    """The plain contents of ``params.yaml``, read as DVC reads it (YAML 1.2), unchecked."""
    try:
        # YAML 1.2, unlike PyYAML's 1.1, reads 1e-4 as a number; DVC uses the same reader.
        raw = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            f"{path} does not exist; expected the experiment's parameters. "
            "Run this in the project's folder, or restore it: git checkout params.yaml"
        ) from None
    except (YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ParamsError(f"{path} is not valid YAML: {reason}") from None
    if not isinstance(raw, dict):
        raise ParamsError(f"{path} holds {_shown(raw)}; expected sections such as network, train.")
    return raw


def validate(raw: dict[str, Any], origin: str = "params.yaml") -> Params:
    """Check plain values; ``origin`` says in messages where they came from.

    Raises:
        ParamsError: as in :func:`load`.
    """
    try:
        # Through JSON, where a list is a valid tuple although the check is strict.
        return Params.model_validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        problems = dict.fromkeys(_explained(problem, raw) for problem in error.errors())
    except ParamsError as error:
        problems = dict.fromkeys(str(error).splitlines())
    raise ParamsError("\n".join(f"{origin}: {problem}" for problem in problems))


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


def known_keys(section: type[Section] = Params, prefix: str = "") -> dict[str, FieldInfo]:
    """Every key of ``params.yaml``, dotted, sections included, in order."""
    keys = {}
    for name, field in section.model_fields.items():
        keys[f"{prefix}{name}"] = field
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            keys |= known_keys(field.annotation, f"{prefix}{name}.")
    return keys


def _explained(problem: Any, raw: dict[str, Any]) -> str:
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
        return f"{unknown} = {_shown(problem['input'])} is not a known key. Did you mean {nearest}?"
    if problem["type"] == "missing":
        return f"{key} is missing; expected {_allowed(keys[key])}."
    found = raw
    for part in key.split("."):
        found = found[part]
    return f"{key} is {_shown(found)}; expected {_allowed(keys[key])}."


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
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
