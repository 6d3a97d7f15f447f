"""What is analysed of networks beyond measures of single paths: the registry, and the result.

An analysis answers one question about many networks (are there barriers between them, where in
function space are they, ...). Each is a class in a file of its own that registers itself;
:func:`analyse` runs them all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32

from deep_learning_dynamics.errors import ResultsError
from deep_learning_dynamics.execution import one_thread
from deep_learning_dynamics.files import read_json, replacing, write_json
from deep_learning_dynamics.geometry.networks import Networks
from deep_learning_dynamics.registry import Registry
from deep_learning_dynamics.store import schema
from deep_learning_dynamics.store.opening import as_runs

if TYPE_CHECKING:
    import xarray as xr

ANALYSES: Registry[type["Analysis"]] = Registry(
    "analysis",
    "deep_learning_dynamics.geometry",
    ("barriers", "surface", "function_space", "representations", "spectra", "regions"),
)


@runtime_checkable
class Forward(Protocol):
    """The function that weights compute, on a fixed set of examples.

    Other processes do some of the work if it can be pickled.
    """

    def scores(
        self, weights: Float32[np.ndarray, "network weight"]
    ) -> tuple[Float[np.ndarray, " network"], Float[np.ndarray, " network"]]:
        """Mean loss (cross-entropy in nats) and accuracy (0 to 1) of each network."""

    def activations(
        self, weights: Float32[np.ndarray, " weight"]
    ) -> dict[str, Float[np.ndarray, "example unit"]]:
        """What each hidden layer of one network gives, by the layer's name, first layer first."""


@dataclass(frozen=True)
class Subject(Networks):
    """The networks that are analysed."""

    forward: Any = None  # a Forward, or None
    seed: int = 0


@dataclass(frozen=True)
class Finding:
    """What an analysis found."""

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)  # anything that JSON holds
    # One number per network, which enters the comparison of groups: columns network, measure,
    # value. Each measure is one that ``MEASURES`` or ``quantities`` knows.
    measures: pd.DataFrame | None = None


class Analysis:
    """One question about networks; subclasses register with ``@ANALYSES.register``."""

    key: ClassVar[str]
    title: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()  # "forward": a forward function; "outputs": predictions

    @classmethod
    def find(cls, subject: Subject) -> Finding | None:
        """The answer; ``None`` where the networks do not allow the question (no twins, ...)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Geometry:
    """What all analyses found, by their keys."""

    findings: dict[str, Finding]

    def get(self, key: str) -> Finding | None:
        """What one analysis found; ``None`` where it was not made."""
        return self.findings.get(key)

    @property
    def measures(self) -> pd.DataFrame:
        """Columns network, measure, value; of all analyses.

        Values have nine significant digits, those below 1e-9 are 0: the last digits of products of
        matrices differ between processors, and measures do not.
        """
        found = [each.measures for each in self.findings.values() if each.measures is not None]
        columns = ["network", "measure", "value"]
        if not found:
            return pd.DataFrame(columns=columns)
        table = pd.concat(found, ignore_index=True)[columns]
        digits = [0.0 if abs(value) < 1e-9 else float(f"{value:.9g}") for value in table["value"]]
        return table.assign(value=digits)

    def save(self, folder: Path | str) -> None:
        """Write a folder per analysis; the same findings, the same bytes."""
        with replacing(Path(folder)) as partial:
            partial.mkdir()
            for key, finding in self.findings.items():
                (partial / key).mkdir()
                own = {} if finding.measures is None else {"per_network": finding.measures}
                for name, table in (finding.tables | own).items():
                    table.to_parquet(partial / key / f"{name}.parquet", index=False)
                write_json(partial / key / "numbers.json", finding.numbers)
            write_json(partial / "analyses.json", {"analyses": list(self.findings)})

    @classmethod
    def load(cls, folder: Path | str) -> "Geometry":
        """Read what :meth:`save` wrote.

        Raises:
            ResultsError: a file is missing or damaged.
        """
        folder, remedy = Path(folder), "dvc repro geometry"
        findings = {}
        for key in read_json(folder / "analyses.json", remedy)["analyses"]:
            tables = {}
            for path in sorted((folder / key).glob("*.parquet")):
                try:
                    tables[path.stem] = pd.read_parquet(path)
                except (OSError, ValueError) as error:
                    raise ResultsError(
                        f"{path} cannot be read ({error}); expected a table. "
                        f"Make it again with: {remedy}"
                    ) from None
            measures = tables.pop("per_network", None)
            numbers = read_json(folder / key / "numbers.json", remedy)
            findings[key] = Finding(tables, numbers, measures)
        return cls(findings)


@one_thread()
def analyse(
    runs: "xr.Dataset",
    *,
    by: str | None = None,
    analyses: Sequence[str] | None = None,
    forward: Forward | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Geometry:
    """Make the analyses of some networks that their store (and ``forward``) allows.

    Args:
        runs: stores, as :func:`deep_learning_dynamics.open` gives them, or their paths.
        by: the coordinate whose values are the groups, as in :func:`measure`.
        analyses: keys; by default all that are registered.
        forward: the function that the weights compute. Without it, analyses that need it are left
            out.
        seed: of all random streams.
        progress: called with the number of analyses that are done, and of all.

    Raises:
        ParamsError: there is no such analysis.
    """
    runs = as_runs(runs)
    by = schema.grouped_by(schema.networks_table(runs).reset_index(), by)
    subject = Subject(runs, by, forward, seed)
    there = {"forward": forward is not None, "outputs": schema.OUTPUTS in runs}
    chosen = {key: ANALYSES[key] for key in (ANALYSES if analyses is None else analyses)}
    findings = {}
    for done, (key, analysis) in enumerate(chosen.items(), 1):
        found = analysis.find(subject) if all(there[need] for need in analysis.needs) else None
        if found is not None:
            findings[key] = found
        if progress is not None:
            progress(done, len(chosen))
    return Geometry(findings)
