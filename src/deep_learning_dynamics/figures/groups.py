"""The groups of networks that a figure tells apart: which there are, and what they are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Shaped

from deep_learning_dynamics import formatting
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.store.schema import last_phase


@dataclass(frozen=True)
class Groups:
    """The groups of networks that a figure tells apart, in their order."""

    by: str  # the coordinate that names them; "": all networks are one group
    titles: dict[Any, str]  # by the coordinate's value

    @classmethod
    def of(cls, table: pd.DataFrame, by: str, titles: dict[str, dict[Any, str]]) -> "Groups":
        """The groups in a table of networks or snapshots, in the order in which they appear.

        Groups that have only twins, or networks that others continue, are left out.
        """
        if not by or by not in table:
            return cls("", {"": "networks"})
        last = last_phase(table)
        values = (last if len(last) else table)[by].dropna().unique()
        return cls(by, titles_for(by, list(values), titles.get(by, {})))

    @property
    def values(self) -> tuple[Any, ...]:
        return tuple(self.titles)

    def numbers(self, table: pd.DataFrame) -> Shaped[np.ndarray, " row"]:
        """The number of each row's group; −1 where it has none."""
        if not self.by:
            return np.zeros(len(table), int)
        column = table[self.by] if self.by in table else table["group"]
        return column.map({value: self.index(value) for value in column.unique()}).to_numpy(int)

    def index(self, value: Any) -> int:
        """The number of a group by its value, which analyses write as text; −1: of none."""
        for values in (self.values, tuple(map(str, self.values))):
            if value in values:
                return values.index(value)
        return -1

    def title(self, number: int) -> str:
        return self.titles[self.values[number]] if number >= 0 else "others"

    def aside(self, number: int) -> str:
        """ " (from scratch)" for after a number; "" where all networks are one group."""
        return f" ({self.title(number)})" if len(self) > 1 else ""

    def __len__(self) -> int:
        return len(self.titles)


def groups_of(results: Results, table: pd.DataFrame) -> Groups:
    """The groups of a table, in the colours that they have in every figure."""
    known = results.by in table or "group" in table
    if known and results.scores is not None and results.by in results.scores:
        return Groups.of(results.scores, results.by, results.titles)
    by = "group" if "group" in table and results.by not in table else results.by
    return Groups.of(table, by, results.titles)


def titles_for(by: str, values: Sequence[Any], names: Mapping[Any, Any]) -> dict[Any, str]:
    """What values of a coordinate are called, where they have no names: "learning rate 0.464".

    Values that analyses have written as text have the same titles.
    """
    shown = formatting.shortened([str(value) for value in values])
    words = {value: _words(by, str(value), shown[str(value)]) for value in values}
    return {v: str(names.get(v, names.get(str(v), words[v]))) for v in words}


def _words(by: str, text: str, shown: str) -> str:
    """A value that says what it is: "scratch", but "learning rate 0.1"."""
    known = text and not formatting.is_number(text) and text not in ("True", "False")
    return text if known else f"{by.replace('_', ' ')} {shown}"
