"""The sections of ``params.yaml`` and what each key may hold."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
        from deep_learning_dynamics.params.agreement import disagreements

        problems = list(disagreements(self))
        if problems:
            raise ParamsError("\n".join(problems))
        return self
