"""What stage ``measure`` leaves on disk, and how it is read again."""

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deep_learning_dynamics import stage
from deep_learning_dynamics.measures.against_nulls import AgainstNulls
from deep_learning_dynamics.measures.conclusion import conclusion
from deep_learning_dynamics.measures.contrast import Contrast
from deep_learning_dynamics.measures.statistics import Comparison
from deep_learning_dynamics.measures.tables import WHOLE_NETWORK, Measures

if TYPE_CHECKING:
    import pandas as pd

DIGITS = 10


def write(
    measures: Measures,
    contrast: Contrast | None,
    nulls: AgainstNulls,
    folder: Path,
    metrics: Path,
) -> None:
    """Write tables into ``folder`` and a summary to the file ``metrics``.

    ``measures.parquet`` and ``over_time.parquet`` are the tables of :class:`Measures`;
    ``comparison.parquet`` has a row per layer and measure (none without two arms) with the fields
    of :class:`Comparison`. The folder appears whole or not at all.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        tables = {
            "measures": measures.networks,
            "over_time": measures.over_time,
            "comparison": comparison_table(contrast),
        }
        for name, table in tables.items():
            table.to_parquet(partial / f"{name}.parquet", index=False)
        stage.write_json(metrics, summary(measures, contrast, nulls))
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def comparison_table(contrast: Contrast | None) -> "pd.DataFrame":
    """All comparisons, whole networks (layer 0) first."""
    import pandas as pd

    columns = ["layer", "measure", *Comparison.__dataclass_fields__, "smallest_p"]
    rows = [] if contrast is None else list(_rows(contrast))
    return pd.DataFrame(rows, columns=columns)


def summary(measures: Measures, contrast: Contrast | None, nulls: AgainstNulls) -> dict[str, Any]:
    """Over whole networks, for JSON: medians and ranges of each arm, how the arms differ, in
    sentences too, and how their paths differ from those of nothing.

    What is not defined is null.
    """
    table = measures.networks
    table = table[(table["phase"] == "train") & (table["layer"] == WHOLE_NETWORK)]
    content: dict[str, Any] = {"arms": {}}
    for arm, of_arm in table.groupby("arm", sort=False):
        content["arms"][str(arm)] = {
            str(name): _spread(of_measure["value"].to_numpy(np.float64))
            for name, of_measure in of_arm.groupby("measure", sort=False)
        }
    if contrast is not None:
        content["pairs"] = contrast.pairs
        content["pairs_needed"] = contrast.pairs_needed
        content["can_conclude"] = contrast.can_conclude
        content["comparison"] = {
            name: {key: _plain(value) for key, value in asdict(found).items()}
            for name, found in contrast.networks.items()
        }
    content["conclusion"] = conclusion(contrast)
    content["nulls"] = {}
    for (measure, kind, arm), found in nulls.standings.items():
        kinds = content["nulls"].setdefault(measure, {})
        values = {key: _plain(value) for key, value in asdict(found).items()}
        kinds.setdefault(kind, {})[arm] = values
    return content


def _rows(contrast: Contrast) -> Iterator[dict[str, Any]]:
    found = {(WHOLE_NETWORK, name): test for name, test in contrast.networks.items()}
    for (layer, name), test in (found | contrast.layers).items():
        extra = {"layer": layer, "measure": name, "smallest_p": test.smallest_p}
        yield extra | asdict(test)


def _spread(values: np.ndarray) -> dict[str, float | int | None]:
    """Over the networks that have the measure; how many have not is told beside it."""
    known = values[np.isfinite(values)]
    missing = {"missing": len(values) - len(known)}
    if len(known) == 0:
        return {"median": None, "minimum": None, "maximum": None} | missing
    spread = {"median": np.median(known), "minimum": known.min(), "maximum": known.max()}
    return {key: _plain(float(value)) for key, value in spread.items()} | missing


def _plain(value: float | int) -> float | int | None:
    if isinstance(value, int):
        return value
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
