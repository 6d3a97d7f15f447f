"""The report's tables: the ranking of the methods, and the measures with a forest plot."""

from html import escape
from typing import Any

import numpy as np

from deep_learning_dynamics.figures import captions, palette
from deep_learning_dynamics.figures.captions import NULLS
from deep_learning_dynamics.figures.evidence import KINDS
from deep_learning_dynamics.figures.forest import verdict
from deep_learning_dynamics.figures.measured import TITLES, Difference
from deep_learning_dynamics.ranking import Ranked
from deep_learning_dynamics.report.drawing import hexadecimal
from deep_learning_dynamics.report.gathering import Experiment
from deep_learning_dynamics.report.numbers import NONE, number, p_value

_LEVEL = 0.05  # of adjusted p-values
_WIDTH, _HEIGHT, _REACH = 220, 22, 1.06  # of a row of the forest plot, in pixels and effect sizes
_BOX = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
_PARTS = {
    "neighbourhoods": "Neighbourhoods",
    "distances": "Distances",
    "paths": "Along paths",
    "stability": "Stability",
}


def ranking_html(ranking: tuple[Ranked, ...]) -> str:
    """The methods, best first, with what their score is made of."""
    if not ranking:
        return "<p>The methods were not ranked in this run.</p>"
    heads = "".join(f"<th scope=col>{title}</th>" for title in ("Score", *_PARTS.values()))
    rows = "".join(_ranked(entry) for entry in ranking)
    return (
        '<div class="scroll"><table class="ranking"><thead><tr><th scope=col>Rank</th>'
        f"<th scope=col>Method</th>{heads}<th scope=col>Why</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def measures_html(experiment: Experiment) -> str:
    """Every measure in both arms: medians, difference, effect size; or that there is one arm."""
    measured = experiment.measured
    rows = [row for row in measured.differences if row.layer == 0]
    told = f'<p class="verdict">{escape(_sentence(verdict(measured, rows)))}</p>'
    if not rows:
        return told
    axis = _axis()
    body = "".join(_difference(row) for row in rows)
    return (
        f'{told}<div class="scroll"><table class="forest"><thead><tr><th scope=col>Measure</th>'
        f"<th scope=col>{captions.ARMS['scratch']}</th>"
        f"<th scope=col>{captions.ARMS['pretrained']}</th>"
        "<th scope=col>Difference (95 % interval)</th><th scope=col>Pairs</th>"
        "<th scope=col>Adjusted p</th><th scope=col class=plot>"
        "<span>← more from scratch</span><span>more pre-trained →</span></th></tr></thead>"
        f"<tbody>{body}</tbody><tfoot><tr><td colspan=6>Effect size (rank-biserial correlation)"
        f"</td><td class=plot>{axis}</td></tr></tfoot></table></div>"
        '<p class="note">Medians, and median differences within pairs: pre-trained minus scratch. '
        "Effect size 1: in every pair the pre-trained network has more; filled dot: adjusted "
        "p ≤ 0.05; lines: 95 % intervals (bootstrap by pair). p: Wilcoxon’s signed-rank test, "
        "adjusted by Holm’s method over all rows. Failed: means.</p>"
    )


def measured_nulls_html(experiment: Experiment) -> str:
    """Where the measured paths lie among random walks and shuffled steps; empty if not known."""
    rows = []
    for measure, kinds in experiment.against_nulls.items():
        for arm in experiment.measured.arms:
            found = {kind: kinds.get(kind, {}).get(arm) for kind in KINDS}
            known = [of for of in found.values() if of is not None]
            if known:
                rows.append(_against(measure, captions.ARMS[arm], known[0]["value"], found))
    if not rows:
        return ""
    heads = "".join(
        f"<th scope=col>{NULLS[kind]}, 95 % of them</th><th scope=col>p</th>" for kind in KINDS
    )
    return (
        '<h3>Against paths on which nothing was learnt</h3><div class="scroll"><table><thead><tr>'
        "<th scope=col>Measure</th><th scope=col class=word>Arm</th>"
        "<th scope=col>Median of networks</th>"
        f"{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        '<p class="note">Random walks take each network’s own step lengths in random directions; '
        "shuffled steps are its own steps in random order, which lead to the same end.</p>"
    )


def _against(measure: str, arm: str, value: float | None, found: dict[str, Any]) -> str:
    title, scale = TITLES.get(measure, (measure, 1.0))
    cells = []
    for of in found.values():
        if of is None or of.get("low") is None or of.get("high") is None:
            cells.append(f"<td>{NONE}</td><td>{NONE}</td>")
        else:
            cells.append(
                f"<td>{number(scale * of['low'])} to {number(scale * of['high'])}</td>"
                f"<td>{p_value(of.get('p_value'))}</td>"
            )
    shown = NONE if value is None else number(scale * value)
    return (
        f"<tr><th scope=row>{escape(title)}</th><td class=word>{arm}</td><td>{shown}</td>"
        f"{''.join(cells)}</tr>"
    )


def _ranked(entry: Ranked) -> str:
    scores = "".join(_score(getattr(entry, name)) for name in ("score", *_PARTS))
    return (
        f"<tr><td>{entry.rank}</td><th scope=row>{escape(entry.title or entry.method)}</th>"
        f"{scores}<td class=word>{escape(entry.reason or '')}</td></tr>"
    )


def _score(value: float | None) -> str:
    if value is None:
        return f"<td>{NONE}</td>"
    full = round(100 * min(max(value, 0.0), 1.0))
    return f'<td>{value:.2f}<span class="bar"><i style="width:{full}%"></i></span></td>'


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _difference(row: Difference) -> str:
    title, scale = TITLES[row.measure]
    difference = number(scale * row.difference, signed=True)
    if np.isfinite(row.low):
        low, high = (number(scale * value, signed=True) for value in (row.low, row.high))
        difference = f"{difference} ({low} to {high})"
    significant = ' class="significant"' if row.adjusted_p <= _LEVEL else ""
    return (
        f"<tr{significant}><th scope=row>{escape(title)}</th><td>{number(scale * row.first)}</td>"
        f"<td>{number(scale * row.second)}</td><td>{difference}</td><td>{row.pairs}</td>"
        f"<td>{p_value(row.adjusted_p)}</td><td class=plot>{_effect(row)}</td></tr>"
    )


def _effect(row: Difference) -> str:
    middle = _HEIGHT // 2
    parts = [
        f'<line x1="{_x(0.0)}" y1="0" x2="{_x(0.0)}" y2="{_HEIGHT}" stroke="{palette.QUIET}"/>'
    ]
    label = "no effect size"
    if np.isfinite(row.effect_size):
        colour = palette.INK
        if row.effect_size != 0:
            arm = "pretrained" if row.effect_size > 0 else "scratch"
            colour = hexadecimal(palette.colour(arm, 0.75))
        label = f"effect size {number(row.effect_size, signed=True)}"
        if np.isfinite(row.effect_low):
            low, high = number(row.effect_low, signed=True), number(row.effect_high, signed=True)
            label += f", 95 % interval {low} to {high}"
            parts.append(
                f'<line x1="{_x(row.effect_low)}" y1="{middle}" x2="{_x(row.effect_high)}" '
                f'y2="{middle}" stroke="{colour}" stroke-width="2"/>'
            )
        face = colour if row.adjusted_p <= _LEVEL else "#fff"
        parts.append(
            f'<circle cx="{_x(row.effect_size)}" cy="{middle}" r="4.5" fill="{face}" '
            f'stroke="{colour}" stroke-width="1.5"/>'
        )
    return (
        f'<svg {_BOX} role="img" aria-label="{label}"><title>{label}</title>{"".join(parts)}</svg>'
    )


def _axis() -> str:
    ticks = "".join(
        f'<text x="{_x(value)}" y="15" text-anchor="middle">{number(value)}</text>'
        for value in (-1.0, -0.5, 0.0, 0.5, 1.0)
    )
    return f'<svg {_BOX} aria-hidden="true">{ticks}</svg>'


def _x(effect: float) -> float:
    return round((effect + _REACH) / (2 * _REACH) * _WIDTH, 1)
