"""Robustness: which tests a projection is put through, and what they found.

Raw numbers are kept; p-values are the matter of ``inference``. The tests run in ``refits``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from pydantic import Field

from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.files import read_json, write_json
from deep_learning_dynamics.formatting import listed
from deep_learning_dynamics.null_models import NULL_MODELS
from deep_learning_dynamics.projection.method import METHODS, read_settings
from deep_learning_dynamics.projection.quality import rounded
from deep_learning_dynamics.quantities import Quantity, define

_PLAIN = ("rows", "real", "seeds", "refit_spread", "not_tested")  # fields that are JSON already
_DISPARITY = (
    "Procrustes disparity between the projection and refits {}, the median: 0 if the shape is the "
    "same, 1 if nothing is."
)

for _key, _title, _meaning in (
    ("seed_disparity", "disparity between seeds", _DISPARITY.format("with other random numbers")),
    (
        "fold_disparity",
        "disparity without some networks",
        _DISPARITY.format("without some of the networks"),
    ),
    (
        "refit_spread",
        "spread over refits",
        "How far a snapshot moves between refits, as root mean square, relative to the size of the "
        "projection.",
    ),
):
    define(Quantity(_key, _title, "", "lower", _meaning))


@dataclass(frozen=True)
class RobustnessSettings:
    """Which tests there are; see ``PRESETS``.

    With the defaults, the tests of all built-in methods take less than a minute on two cores, for
    any number of networks, as the rows that take part are limited.
    """

    seeds: Annotated[int, Field(ge=0, le=1000)] = 3  # refits with other random numbers
    folds: Annotated[int, Field(ge=0, le=1000)] = 5  # refits, each without some of the networks
    nulls: Annotated[int, Field(ge=0, le=10_000)] = 39  # of each null model
    null_models: tuple[str, ...] = ("momentum_walk",)
    # Methods that are not tested against null models, as their fits take longest.
    no_nulls_for: tuple[str, ...] = ("autoencoder_som", "autoencoder_tsne")
    # Most snapshots in refits and nulls: the same number of every path, at least 5, and where that
    # is too many, of some of the paths. None: all.
    rows: Annotated[int, Field(ge=10)] | None = 300

    @classmethod
    def of(cls, given: Any) -> "RobustnessSettings":
        """Settings from the name of a preset, a mapping, or whether there are tests at all.

        Raises:
            ParamsError: there is no such preset, setting, null model or method, or a value is not
                valid.
        """
        if given is None or isinstance(given, bool):
            given = "default" if given else "none"
        if isinstance(given, str):
            if given not in PRESETS:
                presets = listed(list(PRESETS), "or")
                raise ParamsError(f"robustness is {given!r}; expected {presets}, or settings.")
            return PRESETS[given]
        remedy = "Set it in params.yaml (robustness) or in robustness=."
        found = read_settings(cls, given, "robustness", remedy)
        for name, known in (("null_models", NULL_MODELS), ("no_nulls_for", METHODS)):
            for key in getattr(found, name):
                try:
                    known[key]
                except ParamsError as error:
                    raise ParamsError(f"robustness.{name}: {error} {remedy}") from None
        return found


PRESETS = {
    "default": RobustnessSettings(),
    "full": RobustnessSettings(
        folds=10, null_models=("random_walk", "momentum_walk", "shuffled_steps"), no_nulls_for=()
    ),
    "none": RobustnessSettings(seeds=0, folds=0, nulls=0),
}


@dataclass(frozen=True)
class Fold:
    """A refit without some of the networks."""

    left_out: tuple[str, ...]
    disparity: float  # of the rows of the others


@dataclass(frozen=True)
class Robustness:
    """What the tests of a projection found."""

    settings: RobustnessSettings
    rows: int  # that were fitted again: a subset of each path's snapshots
    real: Mapping[str, float] = field(default_factory=dict)  # numbers of these rows, by quantity
    seeds: tuple[float, ...] = ()  # disparities; exactly 0 if no chance enters into the method
    folds: tuple[Fold, ...] = ()
    refit_spread: float | None = None  # root mean square of moves over refits / of the layout
    # By null model and quantity, to be compared with ``real``.
    nulls: Mapping[str, Mapping[str, Float[np.ndarray, " _"]]] = field(default_factory=dict)
    # A null of each model in the plane, rows as in the projection's coordinates; NaN for those
    # that are not in the subset.
    examples: Mapping[str, Float[np.ndarray, "row 2"]] = field(default_factory=dict)
    not_tested: Mapping[str, str] = field(default_factory=dict)  # why: seeds, folds, null models

    def numbers(self) -> dict[str, float]:
        """The known ones by the keys of their quantities: medians over refits."""
        found = {}
        if self.seeds:
            found["seed_disparity"] = float(np.median(self.seeds))
        if self.folds:
            found["fold_disparity"] = float(np.median([fold.disparity for fold in self.folds]))
        if self.refit_spread is not None:
            found["refit_spread"] = self.refit_spread
        return found

    def as_json(self) -> dict[str, Any]:
        """All but the nulls, as plain values for JSON."""
        content = {name: getattr(self, name) for name in _PLAIN}
        settings, folds = asdict(self.settings), [asdict(fold) for fold in self.folds]
        return rounded({**content, "settings": settings, "folds": folds})

    def tables(self) -> dict[str, pd.DataFrame]:
        """The nulls: ``nulls`` has a row for each number, ``null_examples`` one for each place."""
        numbers = [
            (model, key, null, value)
            for model, found in self.nulls.items()
            for key, values in found.items()
            for null, value in enumerate(values)
        ]
        places = [
            pd.DataFrame(
                {"null_model": model, "row": np.arange(len(of)), "x": of[:, 0], "y": of[:, 1]}
            )
            for model, of in self.examples.items()
        ]
        empty = pd.DataFrame({"null_model": [], "row": [], "x": [], "y": []})
        return {
            "nulls": pd.DataFrame(numbers, columns=["null_model", "quantity", "null", "value"]),
            "null_examples": pd.concat(places, ignore_index=True) if places else empty,
        }

    def save(self, folder: Path) -> None:
        """Write three files into a folder; identical results give identical bytes."""
        write_json(folder / "robustness.json", self.as_json())
        for name, table in self.tables().items():
            table.to_parquet(folder / f"{name}.parquet", index=False)

    @classmethod
    def load(cls, folder: Path) -> "Robustness | None":
        """Read what :meth:`save` wrote; None where there is nothing."""
        path = folder / "robustness.json"
        if not path.exists():
            return None
        content = read_json(path, f"dvc repro project@{folder.name}")
        numbers = pd.read_parquet(folder / "nulls.parquet")
        places = pd.read_parquet(folder / "null_examples.parquet")
        nulls: dict[str, dict[str, np.ndarray]] = {}
        for (model, key), of in numbers.groupby(["null_model", "quantity"], sort=False):
            nulls.setdefault(model, {})[key] = of["value"].to_numpy()
        content |= {
            "settings": RobustnessSettings(  # whose methods may be of a plug-in that is not here
                **{
                    key: tuple(value) if isinstance(value, list) else value
                    for key, value in content["settings"].items()
                }
            ),
            "seeds": tuple(content["seeds"]),
            "folds": tuple(
                Fold(tuple(fold["left_out"]), fold["disparity"]) for fold in content["folds"]
            ),
            "nulls": nulls,
            "examples": {
                model: of[["x", "y"]].to_numpy()
                for model, of in places.groupby("null_model", sort=False)
            },
        }
        return cls(**content)
