"""Groups of networks compared: each measure, each parameter, each contrast.

A contrast is a reference and another group, whose networks are compared within pairs where they
have partners (``groups.as_pairs``). Everything in one :class:`Comparison` concerns the same
networks.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from deep_learning_dynamics import seeds
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.geometry.measures import MEASURES, WHOLE, Measure, Measures, measure_of
from deep_learning_dynamics.inference import statistics
from deep_learning_dynamics.inference.comparisons import Comparison, Comparisons, Design, Family
from deep_learning_dynamics.inference.groups import Group, as_pairs, groups_of, pairing
from deep_learning_dynamics.inference.independent import of_groups
from deep_learning_dynamics.inference.null_tests import path_null_tests
from deep_learning_dynamics.inference.paired import of_pairs
from deep_learning_dynamics.inference.partners import partner_samples
from deep_learning_dynamics.inference.statistics import Sample, holm
from deep_learning_dynamics.inference.verdict import verdict
from deep_learning_dynamics.store.schema import grouped_by

if TYPE_CHECKING:
    import xarray as xr

PARAMETER_RESAMPLES = 1_999  # of the bootstrap, where each parameter has its own row


def compare(
    measures_or_runs: "Measures | xr.Dataset",
    by: str | None = None,
    contrasts: Sequence[tuple[str, str]] | None = None,
    seed: int = 0,
    *,
    command: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Comparisons:
    """Compare groups of networks in all measures.

    Twins and networks that others continue (pre-training) are not compared.

    Args:
        measures_or_runs: what :func:`measure` gave, or stores, which are measured first.
        by: the coordinate of networks whose values are the groups; by default "condition", or the
            first coordinate in words that has a few values; "": they are one group.
        contrasts: (reference, other) values; by default all others against the first.
        seed: of bootstraps and permutations.
        command: what to run for more pairs, with "{pairs}" where their number belongs; the verdict
            names it where something is undecided.

    Raises:
        ParamsError: there is no such coordinate, or a contrast names a group that is not there.
    """
    from deep_learning_dynamics.geometry.measuring import measure

    measures = measures_or_runs
    if not isinstance(measures, Measures):
        measures = measure(measures, by=by)
    by = grouped_by(measures.networks, by)
    groups = {group.name: group for group in groups_of(measures, by)}
    names = tuple(groups)
    chosen = _chosen(contrasts, names, by)
    items: list[Comparison] = []
    for done, (reference, other) in enumerate(chosen, 1):
        items += _adjusted(_rows(measures, groups[reference], groups[other], seed))
        if progress is not None:
            progress(done, len(chosen))
    if not chosen:
        items = [
            _row(measures, [group], *key) for group in groups.values() for key in _keys(measures)
        ]
    titles = measures.titles.get(by, {})
    found = Comparisons(
        by or None,
        names,
        chosen,
        tuple(items),
        {name: titles[name] for name in names if name in titles},
        counts={
            name: {"networks": len(group), "failed": group.failed} for name, group in groups.items()
        },
        path_tests=path_null_tests(measures, by, seed).items if by else (),
    )
    note = pairing(measures, *(groups[name] for name in chosen[0])) if chosen else ""
    task = measures.attributes.get("task", "")
    return replace(found, verdict=verdict(found, task, command, note))


def _chosen(
    contrasts: Sequence[tuple[str, str]] | None, names: tuple[str, ...], by: str
) -> tuple[tuple[str, str], ...]:
    if contrasts is None:
        return tuple((names[0], other) for other in names[1:])
    for pair in contrasts:
        for name in pair:
            if name not in names:
                raise ParamsError(
                    f"The contrast {tuple(pair)} names {name!r}; expected values of {by!r}, which "
                    f"are {', '.join(names)}. Correct it, or train that group."
                )
    return tuple((str(one), str(other)) for one, other in contrasts)


def _keys(measures: Measures) -> list[tuple[str, str]]:
    """Measure and parameter of each row: whole networks first."""
    found = measures.table[["measure", "parameter"]].drop_duplicates()
    keys = list(found.itertuples(index=False, name=None))
    order = {name: place for place, name in enumerate(dict.fromkeys(name for name, _ in keys))}
    known = [key for key in MEASURES if key in order]
    order |= {name: place - len(known) for place, name in enumerate(known)}
    parameters = list(dict.fromkeys(parameter for _, parameter in keys if parameter != WHOLE))
    return sorted(keys, key=lambda key: ((WHOLE, *parameters).index(key[1]), order[key[0]]))


def _rows(measures: Measures, reference: Group, other: Group, seed: int) -> list[Comparison]:
    groups, paired = as_pairs(reference, other)

    def stream(*name: str) -> np.random.Generator:
        # Each test draws from its own: a measure more changes no other result.
        return seeds.generator(seed, "compare", reference.name, other.name, *name)

    design = "paired" if paired else "independent"
    rows = [_row(measures, groups, *key, design, stream(*key)) for key in _keys(measures)]
    if paired:
        rng = stream("partners")
        for key, of_key, samples in partner_samples(measures, *groups):
            evidence = of_pairs(*samples, rng)
            row = _described(key, WHOLE, "partners", "partners", of_key, samples)
            rows.append(replace(row, **asdict(evidence)))
    return rows


def _row(
    measures: Measures,
    groups: list[Group],
    key: str,
    parameter: str,
    design: Design = "described",
    rng: np.random.Generator | None = None,
) -> Comparison:
    """One measure of two groups; or of one, which is described."""
    measure = measure_of(key)
    samples = [group.sample(measures, measure, parameter) for group in groups]
    known = [~np.isnan(sample.values) for sample in samples]
    if design == "paired":
        known = [known[0] & known[1]] * 2
    groups = [group.take(kept) for group, kept in zip(groups, known, strict=True)]
    samples = [sample.take(kept) for sample, kept in zip(samples, known, strict=True)]
    family = "network" if parameter == WHOLE else "parameter"
    row = _described(key, parameter, design, family, groups, samples, measure)
    share, change = _rounding(measures, groups, samples, measure, parameter, design == "paired")
    row = replace(row, rounding_share=share, rounding_change=change)
    if rng is None:
        return row
    resamples = statistics.RESAMPLES if parameter == WHOLE else PARAMETER_RESAMPLES
    test = of_pairs if design == "paired" else of_groups
    return replace(row, **asdict(test(*samples, rng, measure.centre, resamples)))


def _described(
    key: str,
    parameter: str,
    design: Design,
    family: Family,
    groups: list[Group],
    samples: list[Sample],
    measure: type[Measure] = Measure,
) -> Comparison:
    """A row without a test."""
    counts = [len(sample) for sample in samples]
    row = Comparison(
        key,
        parameter,
        groups[0].name,
        "",
        design,
        family,
        pairs=counts[0] if design in ("paired", "partners") else None,
        n_reference=counts[0],
        n_other=0,
        reference_value=_value(samples[0], measure.centre),
        other_value=None,
        reached_reference=_reached(samples[0], measure),
        failed_reference=groups[0].failed,
    )
    if len(groups) == 1:
        return row
    return replace(
        row,
        other=groups[1].name,
        n_other=counts[1],
        other_value=_value(samples[1], measure.centre),
        reached_other=_reached(samples[1], measure),
        failed_other=groups[1].failed,
    )


def _reached(sample: Sample, measure: type[Measure]) -> int | None:
    return int((~sample.unseen).sum()) if measure.censored else None


def _rounding(
    measures: Measures,
    groups: list[Group],
    samples: list[Sample],
    measure: type[Measure],
    parameter: str,
    paired: bool,
) -> tuple[float | None, float | None]:
    """The share of the variance over seeds that rounding makes, and the most that it changed.

    Half the mean squared difference between twins is the variance that rounding makes. Of pairs,
    both variances are those of the difference. Times that were not reached count as the last step.
    """
    twins = [group.twins(measures, measure, parameter) for group in groups]
    if any(twin is None for twin in twins):
        return None, None
    mine = [sample.lowest for sample in samples]
    other = [twin.lowest for twin in twins if twin is not None]
    changes = [m - o for m, o in zip(mine, other, strict=True)]
    known = np.abs(np.concatenate(changes))
    known = known[np.isfinite(known)]
    change = float(known.max()) if len(known) else None
    if paired:
        mine, changes = [mine[1] - mine[0]], [changes[1] - changes[0]]
    usable = [np.isfinite(m) & np.isfinite(c) for m, c in zip(mine, changes, strict=True)]
    if min(int(kept.sum()) for kept in usable) < 2:
        return None, change
    total = sum(float(m[kept].var(ddof=1)) for m, kept in zip(mine, usable, strict=True))
    rounding = sum(
        float((c[kept] ** 2).mean()) / 2 for c, kept in zip(changes, usable, strict=True)
    )
    return (min(1.0, rounding / total) if total > 0 else None), change


def _value(sample: Sample, centre: str) -> float | None:
    if centre == "mean":
        return float(sample.values.mean()) if len(sample) else None
    return sample.median


def _adjusted(rows: list[Comparison]) -> list[Comparison]:
    """By Holm's method, over the tests of each family."""
    adjusted = list(rows)
    for family in dict.fromkeys(row.family for row in rows):
        places = [place for place, row in enumerate(rows) if row.family == family]
        found = holm(np.array([rows[place].p for place in places], np.float64))  # None is NaN
        for place, p in zip(places, found, strict=True):
            adjusted[place] = replace(rows[place], adjusted_p=None if np.isnan(p) else float(p))
    return adjusted
