"""How far a picture may be believed, as badges: a number, a bar and an explanation each."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from deep_learning_dynamics.figures.captions import NULLS
from deep_learning_dynamics.figures.evidence import KINDS, Standing
from deep_learning_dynamics.figures.inputs import Projection
from deep_learning_dynamics.report.numbers import index, number, percent

MEASURES = {
    "trustworthiness": "Trustworthiness",
    "continuity": "Continuity",
    "distance_correlation": "Rank correlation of distances",
    "path_trustworthiness": "Trustworthiness along paths",
    "path_continuity": "Continuity along paths",
    "path_distance_correlation": "Rank correlation along paths",
    "explained_variance": "Variance explained",
    "reconstruction_error": "Reconstruction error",
    "code_explained_variance": "Variance kept by the code",
    "quantisation_error": "Quantisation error",
    "topographic_error": "Topographic error",
}


# Key in quality.json, name, explanation, and the value that chance gives.
_FAITHFULNESS = (
    (
        "trustworthiness",
        "trustworthiness",
        "Are neighbours in the picture neighbours in weight space? 1: all of them; about 0.5: "
        "no more than by chance.",
        0.5,
    ),
    (
        "continuity",
        "continuity",
        "Are neighbours in weight space neighbours in the picture? 1: all of them; about 0.5: "
        "no more than by chance.",
        0.5,
    ),
    (
        "distance_correlation",
        "distances",
        "Do large distances in the picture mean large ones in weight space? Spearman's rank "
        "correlation over all pairs of rows: 1 always, 0 not at all.",
        0.0,
    ),
)


@dataclass(frozen=True)
class Badge:
    """One thing that was tested; ``share`` is how full its bar is, 1 at best."""

    name: str
    value: str
    explanation: str
    share: float | None


def badges(projection: Projection, quality: dict[str, Any]) -> Iterator[Badge]:
    """What is known of this projection; what was left out is not there."""
    yield from _faithfulness(quality)
    yield from _variance(quality)
    yield from _stability(projection)
    yield from _against_nulls(projection)


def badges_html(projection: Projection, quality: dict[str, Any]) -> str:
    """The badges of one method; each can be pointed at and focused to be explained."""
    return "".join(
        f'<li><button type="button" class="badge" data-badge="{escape(badge.name)}">'
        f'<span class="name">{escape(badge.name)}</span> <b>{escape(badge.value)}</b>'
        f"{_bar(badge.share)}"
        f'<span class="tip" role="tooltip">{escape(badge.explanation)}</span></button></li>'
        for badge in badges(projection, quality)
    )


def standings_html(projection: Projection) -> str:
    """A table of where the real run's numbers lie among those of the nulls."""
    standings = projection.quality.nulls
    rows = []
    names = [name for name in MEASURES if any(name in of for of in standings.values())]
    for name in names:
        cells = []
        for kind in KINDS:
            found = standings.get(kind, {}).get(name)
            cells.append(_standing(found))
        value = next(of[name].value for of in standings.values() if name in of)
        rows.append(
            f"<tr><th scope=row>{MEASURES[name]}</th><td>{number(value)}</td>{''.join(cells)}</tr>"
        )
    heads = "".join(f"<th scope=col>{NULLS[kind]}, 95 % of them</th>" for kind in KINDS)
    return (
        f'<div class="scroll"><table><thead><tr><th scope=col>Measure</th><th scope=col>This run'
        f"</th>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _standing(found: Standing | None) -> str:
    if found is None:
        return "<td>–</td>"
    where = "outside" if found.is_outside else "inside"
    return (
        f"<td>{number(found.low)} to {number(found.high)} "
        f'<span class="where {where}">{where}</span></td>'
    )


def _bar(share: float | None) -> str:
    if share is None:
        return ""
    full = round(100 * min(max(share, 0.0), 1.0))
    return f'<span class="bar" aria-hidden="true"><i style="width:{full}%"></i></span>'


def _faithfulness(quality: dict[str, Any]) -> Iterator[Badge]:
    for key, name, explanation, chance in _FAITHFULNESS:
        value = quality.get(key)
        if value is not None:
            yield Badge(name, index(value), explanation, (value - chance) / (1 - chance))
    along = (quality.get("along_paths") or {}).get("distance_correlation") or {}
    if along.get("median") is not None:
        yield Badge(
            "along paths",
            index(along["median"]),
            "The same rank correlation of distances within each network's own path: the median of "
            f"the networks. They lie from {index(along.get('minimum'))} to "
            f"{index(along.get('maximum'))}.",
            along["median"],
        )


def _variance(quality: dict[str, Any]) -> Iterator[Badge]:
    explained, code = quality.get("explained_variance"), quality.get("code_explained_variance")
    if explained is not None:
        yield Badge(
            "variance",
            percent(explained),
            "The share of the weights' variance that the two dimensions of the picture hold.",
            explained,
        )
    elif code is not None:
        yield Badge(
            "code’s variance",
            percent(code),
            "The share of the weights' variance that the code holds from which the picture was "
            "made; the picture itself holds less.",
            code,
        )
    if quality.get("topographic_error") is not None:
        yield Badge(
            "topographic error",
            percent(quality["topographic_error"]),
            "The share of snapshots whose two best units are not neighbours on the map: where the "
            "map is folded. 0 is best.",
            1 - quality["topographic_error"],
        )


def _stability(projection: Projection) -> Iterator[Badge]:
    stability = projection.quality.stability
    if stability is None:
        return
    for name, found, how in (
        ("other seeds", stability.seeds, "with other random numbers"),
        ("fewer networks", stability.folds, "with some networks left out"),
    ):
        if found is not None:
            yield Badge(
                name,
                f"{abs(found.disparity):.2f}",
                f"How far {found.refits} refits {how} lie from the picture shown, after shift, "
                "turn and scale are taken away (Procrustes disparity, the median). 0: the same "
                "shape; "
                f"1: nothing in common. The largest is {abs(found.maximum):.2f}.",
                1 - found.disparity,
            )


def _against_nulls(projection: Projection) -> Iterator[Badge]:
    parts, counts = [], []
    for kind, found in projection.quality.nulls.items():
        outside = [name for name, standing in found.items() if standing.is_outside]
        told = ", ".join(MEASURES.get(name, name).lower() for name in outside) or "none"
        number_of_nulls = max(standing.nulls for standing in found.values())
        parts.append(f"of {number_of_nulls} {NULLS[kind]}: {told}")
        counts.append(f"{len(outside)} of {len(found)}")
    if parts:
        yield Badge(
            "unlike nulls",
            ", ".join(counts),
            "Which of this picture’s numbers lie outside 95 % of those of paths of the same size "
            f"on which nothing was learnt, {'; '.join(parts)}. A number that lies inside tells "
            "nothing about learning.",
            None,
        )
