"""What comparisons of groups of networks found: their rows, and the answer in words."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from deep_learning_dynamics.files import read_json, write_json
from deep_learning_dynamics.formatting import ALPHA
from deep_learning_dynamics.geometry.measures import MEASURES, WHOLE
from deep_learning_dynamics.inference.null_tests import NullTest
from deep_learning_dynamics.projection.quality import rounded

if TYPE_CHECKING:
    import pandas as pd

Design = Literal["paired", "independent", "described", "partners"]
Family = Literal["network", "parameter", "partners"]


@dataclass(frozen=True)
class Comparison:
    """One measure in two groups. Differences are other − reference; ``None``: not defined.

    A network that failed and so lacks a measure that has a better side counts as worse than any
    that has it. One that lacks another measure (the path of a network that diverged) is left out,
    with its partner.
    """

    measure: str
    parameter: str  # "": the whole network
    reference: str
    other: str  # "" where a single group is described
    design: Design
    family: Family  # p-values of one contrast and family are adjusted together
    pairs: int | None  # in this row; None unless paired
    n_reference: int  # networks in this row
    n_other: int
    reference_value: float | None  # median (mean, of measures that are 0 or 1)
    other_value: float | None
    difference: float | None = None
    low: float | None = None  # interval of the difference
    high: float | None = None
    effect: float | None = None  # rank-biserial correlation, −1 to 1
    effect_low: float | None = None
    effect_high: float | None = None
    p: float | None = None  # two-sided
    adjusted_p: float | None = None
    smallest_p: float = 1.0  # the least that so many networks could give
    higher: int | None = None  # pairs in which the other network has more
    lower: int | None = None
    reached_reference: int | None = None  # of times: how many networks reached it
    reached_other: int | None = None
    failed_reference: int = 0  # networks that died or diverged and are counted in
    failed_other: int = 0
    rounding_share: float | None = None  # of the variance over seeds; None without twins
    rounding_change: float | None = None  # largest difference between a network and its twin

    @property
    def significant(self) -> bool:
        """After the correction."""
        return self.adjusted_p is not None and self.adjusted_p <= ALPHA


@dataclass(frozen=True)
class Verdict:
    """One sentence of at most 30 words, at most three bullets, and what to do where undecided."""

    sentence: str
    bullets: tuple[str, ...]
    next_step: str | None
    decided: bool  # whether learning differs, or differs by less than matters


@dataclass(frozen=True)
class Comparisons:
    """All comparisons of some runs, and the answer in words."""

    by: str | None
    groups: tuple[str, ...]
    contrasts: tuple[tuple[str, str], ...]
    items: tuple[Comparison, ...]
    titles: dict[str, str]  # of groups
    verdict: Verdict = Verdict("", (), None, False)  # it follows from the rest
    counts: dict[str, dict[str, int]] = field(default_factory=dict)  # networks, failed, by group
    path_tests: tuple[NullTest, ...] = ()  # of each group's paths, against walks

    @property
    def table(self) -> "pd.DataFrame":
        """A row per comparison, with its fields as columns; NaN: not defined."""
        import pandas as pd

        names = [each.name for each in fields(Comparison)]
        return pd.DataFrame([asdict(item) for item in self.items], columns=names)

    def of(
        self,
        measure: str,
        contrast: tuple[str, str] | None = None,
        parameter: str = WHOLE,
    ) -> Comparison | None:
        """One comparison, of the first contrast by default; ``None`` where there is none."""
        wanted = contrast or (self.contrasts[0] if self.contrasts else None)
        for item in self.items:
            here = wanted is None or (item.reference, item.other) == wanted
            if here and (item.measure, item.parameter) == (measure, parameter):
                return item
        return None

    def family(self, row: Comparison) -> list[Comparison]:
        """The comparisons whose p-values were adjusted together with that of this one."""
        key = row.family, row.reference, row.other
        return [each for each in self.items if (each.family, each.reference, each.other) == key]

    def could_be_significant(self, row: Comparison) -> bool:
        """Whether so many networks can give a p-value that is small enough for the correction."""
        return row.smallest_p * len(self.family(row)) <= ALPHA

    def save(self, folder: Path | str) -> None:
        """Write ``comparisons.json`` into a folder; the same comparisons, the same bytes."""
        write_json(Path(folder) / "comparisons.json", rounded(asdict(self)))

    @classmethod
    def load(cls, folder: Path | str) -> "Comparisons":
        """Read what :meth:`save` wrote.

        Raises:
            ResultsError: the file is missing or damaged.
        """
        len(MEASURES)  # their titles
        content = read_json(Path(folder) / "comparisons.json", "dvc repro measure")
        content["items"] = tuple(Comparison(**item) for item in content["items"])
        tests = content.get("path_tests", ())  # which files of older versions lack
        content["path_tests"] = tuple(NullTest(**test) for test in tests)
        content["contrasts"] = tuple((str(one), str(other)) for one, other in content["contrasts"])
        content["groups"] = tuple(content["groups"])
        content["verdict"]["bullets"] = tuple(content["verdict"]["bullets"])
        content["verdict"] = Verdict(**content["verdict"])
        return cls(**content)
