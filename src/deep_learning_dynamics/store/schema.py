"""What a store of trajectories holds: its variables, their axes, and the table of parameters.

The writer, the opener and the selection speak of stores in the names that are defined here.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_learning_dynamics.errors import ParamsError, StoreError
from deep_learning_dynamics.formatting import listed
from deep_learning_dynamics.quantities import quantity

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SCHEMA = 1  # version of this layout
WEIGHTS, OUTPUTS, STEP, FINITE = "weights", "outputs", "step", "finite"
ABSENT = -1  # the step of a snapshot that a network does not have
NETWORK, SNAPSHOT, WEIGHT, PARAMETER, PROBE = "network", "snapshot", "weight", "parameter", "probe"
CLASS, LABEL = "class", "label"
CONTINUES, OUTCOME = "continues", "outcome"  # coordinates that every network has
ROUNDING = 0.02  # of probabilities that were computed in half precision
_NOT_GROUPS = ("network", "continues", "outcome", "pair", "twin", "parameter")
DEAD, DIVERGED = "dead", "diverged"  # outcomes; "" where learning went on
COLUMNS = (PARAMETER, "shape", "start", "stop", "kind", "dtype")  # of the table of parameters
RESERVED = frozenset(
    {WEIGHTS, OUTPUTS, STEP, FINITE, NETWORK, SNAPSHOT, WEIGHT, PROBE, CLASS, LABEL, *COLUMNS}
    | {"path", "position", "usable"}  # columns of a selection's rows
)


@dataclass(frozen=True)
class Parameters:
    """The named tensors whose values make up a network's vector of weights, in its order."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]  # where a parameter begins in the vector
    stops: tuple[int, ...]  # one past its last weight
    kinds: tuple[str, ...]  # "weight" (a matrix or kernel), "bias" or "other" (a scale, ...)
    dtypes: tuple[str, ...]  # in which it was trained: its resolution, as the store has float32

    @classmethod
    def of(
        cls, shapes: Mapping[str, Sequence[int]], dtypes: Mapping[str, str] | None = None
    ) -> "Parameters":
        """Parameters one after the other, given the shape of each by name."""
        whole = {name: tuple(map(int, shape)) for name, shape in shapes.items()}
        for name, shape in whole.items():
            if min(shape, default=0) < 0:
                raise StoreError(f"Parameter {name} cannot have the shape {list(shape)}.")
        ends = tuple(accumulate(map(math.prod, whole.values()), initial=0))
        if not ends[-1]:
            raise StoreError(
                "There are no weights; expected at least one floating-point parameter. "
                "Take a model that has some, and name filters that match them."
            )
        return cls(
            names=tuple(whole),
            shapes=tuple(whole.values()),
            starts=ends[:-1],
            stops=ends[1:],
            kinds=tuple(_kind(name, shape) for name, shape in whole.items()),
            dtypes=tuple((dtypes or {}).get(name, "float32") for name in whole),
        )

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Any], wanted: str | Sequence[str]) -> "Parameters":
        """Those of the tensors, which have a shape and a dtype, that are wanted.

        Args:
            wanted: as for :meth:`matching`.

        Raises:
            StoreError: a name matches no tensor, or there is none.
        """
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        dtypes = {
            name: str(tensor.dtype).removeprefix("torch.") for name, tensor in tensors.items()
        }
        whole = cls.of(shapes, dtypes)
        chosen = [whole.names[position] for position in whole.matching(wanted)]
        return cls.of({name: shapes[name] for name in chosen}, dtypes)

    @classmethod
    def from_runs(cls, runs: "xr.Dataset | Mapping[str, np.ndarray]") -> "Parameters":
        """Those of an opened store."""
        columns = {name: np.asarray(runs[name]).tolist() for name in COLUMNS if name in runs}
        names, shapes, starts, stops = (columns[name] for name in COLUMNS[:4])
        sides = tuple(
            tuple(int(length) for length in str(text).split(",") if length) for text in shapes
        )
        kinds = columns.get("kind") or map(_kind, names, sides)
        dtypes = columns.get("dtype") or ["float32"] * len(names)
        return cls(
            tuple(names), sides, tuple(starts), tuple(stops), tuple(kinds), tuple(dtypes)
        )  # fmt: skip

    @property
    def size(self) -> int:
        """Weights of a network."""
        return self.stops[-1]

    def __len__(self) -> int:
        return len(self.names)

    def slice(self, name: str) -> slice:
        """Where a parameter lies in the vector of weights."""
        position = self.names.index(name)
        return slice(self.starts[position], self.stops[position])

    def layers(self) -> dict[str, tuple[int, ...]]:
        """Parameters by the module that owns them: {"hidden1": (0, 1), "output": (2, 3)}."""
        found: dict[str, tuple[int, ...]] = {}
        for position, name in enumerate(self.names):
            owner = name[: max(name.rfind("."), name.rfind("/"), 0)] or name
            found[owner] = (*found.get(owner, ()), position)
        return found

    def matching(self, wanted: str | Sequence[str]) -> tuple[int, ...]:
        """Positions of the parameters that are wanted, in their order.

        Args:
            wanted: "all"; "weights" (every matrix and kernel, no bias or scale); or names, in
                which * stands for anything.

        Raises:
            StoreError: a name matches no parameter.
        """
        patterns = [wanted] if isinstance(wanted, str) else list(wanted)
        chosen: set[int] = set()
        for pattern in patterns:
            found = {
                position
                for position, name in enumerate(self.names)
                if pattern == "all"
                or (pattern == "weights" and self.kinds[position] == "weight")
                or fnmatchcase(name, pattern)
            }
            if not found:
                shown = listed(self.names[:12]) + (", ..." if len(self.names) > 12 else "")
                raise StoreError(
                    f"No parameter is called {pattern!r}; these are there: {shown}. "
                    'Use one of these names, * for anything, "weights" or "all".'
                )
            chosen |= found
        return tuple(sorted(chosen))

    def difference(self, other: "Parameters", here: str, there: str) -> str | None:
        """The first difference from another table in one sentence, or None if there is none."""
        ours = dict(zip(self.names, self.shapes, strict=True))
        theirs = dict(zip(other.names, other.shapes, strict=True))
        for names, others, has, lacks in (
            (self.names, theirs, here, there),
            (other.names, ours, there, here),
        ):
            missing = next((name for name in names if name not in others), None)
            if missing is not None:
                return f"Parameter {missing} of {has} is missing in {lacks}"
        for name, its in zip(self.names, other.names, strict=True):
            if name != its:
                return f"Parameter {name} of {here} stands where {there} has {its}"
            if ours[name] != theirs[name]:
                sides, others = _sides(ours[name]), _sides(theirs[name])
                return f"Parameter {name} is {sides} in {here} and {others} in {there}"
        return None

    def columns(self) -> dict[str, list[Any]]:
        """The table as it is stored, a list per column."""
        shapes = [",".join(map(str, shape)) for shape in self.shapes]
        values = (self.names, shapes, self.starts, self.stops, self.kinds, self.dtypes)
        return {name: list(column) for name, column in zip(COLUMNS, values, strict=True)}


def score_names(runs: "xr.Dataset") -> list[str]:
    """Scores that a store holds for each network and snapshot, in alphabetical order."""
    return sorted(  # a folder lists its arrays in any order
        str(name)
        for name, variable in runs.variables.items()
        if variable.dims == (NETWORK, SNAPSHOT) and name not in (STEP, FINITE)
    )


def scores_of(runs: "xr.Dataset") -> "dict[str, np.ndarray]":
    """Scores [network, snapshot] by name.

    Raises:
        StoreError: accuracies are not shares.
    """
    scores = {name: runs[name].values for name in score_names(runs)}
    refuse_percents(scores)
    return scores


def refuse_percents(scores: "Mapping[str, np.ndarray]") -> None:
    """Refuse accuracies that are not shares.

    Raises:
        StoreError: one goes beyond 1.
    """
    for name, values in scores.items():
        if wrong := not_shares(name, values):
            raise StoreError(f'{wrong} Divide them: runs["{name}"] = runs["{name}"] / 100')


def not_shares(name: str, values: Any) -> str:
    """What is wrong with a score that is shown in percent and is no share; "" if nothing is."""
    largest = np.max(values, where=np.isfinite(values), initial=0.0)
    if quantity(name).unit != "%" or largest <= 1 + 1e-6:
        return ""
    return f"{name} goes up to {largest:.4g}; expected shares from 0 to 1."


def are_probabilities(outputs: np.ndarray) -> bool:
    """Whether predictions [..., class] add up to 1; those that are not finite do not count."""
    totals = outputs.sum(axis=-1)
    known = np.isfinite(totals)
    apart = (np.abs(totals - 1) > ROUNDING) | (outputs.min(axis=-1) < -ROUNDING)
    return not apart[known].any()


def grouped_by(table: "pd.DataFrame", by: str | None = None) -> str:
    """The coordinate that groups networks; "" where they are one group.

    Args:
        table: of networks, or of their snapshots, with the column network.
        by: a coordinate, or "" for one group. By default the likely one: condition, or the first
            coordinate in words that has a few values.

    Raises:
        ParamsError: there is no such coordinate.
    """
    if by is None:
        return _likely_grouping(table)
    if by and by not in table:
        known = [str(name) for name in table if name not in _NOT_GROUPS]
        raise ParamsError(
            f"by is {by!r}, which is no coordinate of the networks; expected "
            f"{listed(known, 'or') if known else 'none: they have no coordinates'}."
        )
    return by


def _likely_grouping(table: "pd.DataFrame") -> str:
    if "condition" in table:
        return "condition"
    for name in table.columns:
        if name not in _NOT_GROUPS and table[name].map(lambda value: isinstance(value, str)).all():
            networks = table.drop_duplicates(NETWORK)
            if 2 <= networks[name].nunique() <= min(12, len(networks) - 1):
                return str(name)
    return ""


def networks_table(runs: "xr.Dataset") -> "pd.DataFrame":
    """A row per network, named by it, with its coordinates as columns: condition, pair, ..."""
    import pandas as pd

    columns = {}
    for name, variable in runs.variables.items():
        if variable.dims == (NETWORK,) and name != NETWORK:
            values = variable.values
            numeric = values.dtype.kind in "biuf"
            columns[str(name)] = values if numeric else [str(value) for value in values]
    names = [str(name) for name in runs[NETWORK].values]
    table = pd.DataFrame(columns, index=pd.Index(names, name=NETWORK))
    for name in (CONTINUES, OUTCOME):
        if name not in table:
            table[name] = ""
    return table


def without_twins(table: "pd.DataFrame") -> "pd.DataFrame":
    """The rows without twins: networks that repeat another one but for rounding."""
    return table[~table["twin"].fillna(False).astype(bool)] if "twin" in table else table


def last_phase(table: "pd.DataFrame") -> "pd.DataFrame":
    """The rows of networks that no other continues, without twins."""
    if CONTINUES in table:
        table = table[~table[NETWORK].isin(set(table[CONTINUES]))]
    return without_twins(table)


def score_name(logged: str) -> str:
    """A name that a training logs as one word: "val/top-1" becomes "val_top_1"."""
    return re.sub(r"\W", "_", logged.strip())


def titles_of(attributes: Mapping[Any, Any], where: str = "the store") -> dict[str, dict[str, str]]:
    """Display names of coordinates' values in a store's attributes: {coordinate: {value: title}}.

    Raises:
        StoreError: they are not JSON.
    """
    try:
        return json.loads(attributes.get("titles", "{}"))
    except (TypeError, ValueError):
        raise StoreError(
            f"The attribute titles of {where} is not JSON; expected "
            "{coordinate: {value: title}}. Write it with store.StoreWriter."
        ) from None


def check_names(names: Sequence[str], what: str) -> None:
    """Refuse names of coordinates and scores that a store uses for something else.

    Raises:
        StoreError: a name is taken, or is not one word.
    """
    for name in names:
        if name in RESERVED or not str(name).isidentifier():
            raise StoreError(
                f"{name!r} cannot be the name of a {what}; expected a word of letters, digits and "
                f"_ other than {listed(sorted(RESERVED))}. Choose another name."
            )


def _kind(name: str, shape: Sequence[int]) -> str:
    last = name.replace("/", ".").rsplit(".", 1)[-1]
    if last.startswith("bias") or last == "beta":
        return "bias"
    return "weight" if len(shape) > 1 else "other"


def _sides(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape)) or "a single number"
