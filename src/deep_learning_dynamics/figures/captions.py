"""The words on a figure: which method, how far to believe it, which data, how many networks."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea

from deep_learning_dynamics.figures import palette, style
from deep_learning_dynamics.figures.evidence import Kind
from deep_learning_dynamics.figures.inputs import Projection, Provenance, Quality
from deep_learning_dynamics.params import Arm, Method

TITLES: dict[Method, str] = {
    "pca": "Principal component analysis",
    "som": "Self-organising map",
    "autoencoder": "Autoencoder",
    "autoencoder_som": "Autoencoder + self-organising map",
    "autoencoder_tsne": "Autoencoder + t-SNE",
    "umap": "UMAP",
}
FOOTER = 0.55  # inches
# What a picture is compared by with those of nothing.
_COMPARED = {
    "trustworthiness": "trustworthiness",
    "continuity": "continuity",
    "distance_correlation": "distances",
    "path_distance_correlation": "distances along paths",
    "explained_variance": "variance",
    "code_explained_variance": "variance",
    "quantisation_error": "quantisation",
    "topographic_error": "topography",
}
_LONGEST = 118  # characters in a line below a figure's title
NULLS: dict[Kind, str] = {"random_walk": "random walks", "shuffled_steps": "shuffled steps"}
ARMS: dict[Arm, str] = {"scratch": "from scratch", "pretrained": "pre-trained"}


def axis_labels(method: Method) -> tuple[str, str]:
    """What the axes of a method's plane are."""
    match method:
        case "pca":
            return "principal component 1", "principal component 2"
        case "som" | "autoencoder_som":
            return "map column", "map row"
        case "autoencoder":
            return "code unit 1 (arbitrary unit)", "code unit 2 (arbitrary unit)"
        case "autoencoder_tsne":
            return "t-SNE 1 (arbitrary unit)", "t-SNE 2 (arbitrary unit)"
        case "umap":
            return "UMAP 1 (arbitrary unit)", "UMAP 2 (arbitrary unit)"


def quality_lines(projection: Projection) -> list[str]:
    """How far to believe the picture: what every method is asked, then what only this one has."""
    quality = projection.quality
    general = [
        ("trustworthiness", quality.trustworthiness, index),
        ("continuity", quality.continuity, index),
        ("rank correlation of distances", quality.distance_correlation, index),
        ("along each path", quality.path_distance_correlation, index),
    ]
    own = [
        ("variance explained", quality.explained_variance, percent),
        ("reconstruction error", quality.reconstruction_error, _share),
        ("variance kept by the code", quality.code_explained_variance, percent),
        ("quantisation error", quality.quantisation_error, number),
        ("topographic error", quality.topographic_error, percent),
    ]
    lines = [_listed(general), _listed(own)]
    return [line for line in lines if line]


def trust_lines(projection: Projection) -> list[str]:
    """How the picture stood its tests, in a line or two each; none where it was not tested."""
    return [*_stability_lines(projection.quality), *_null_lines(projection.quality)]


def short_quality(projection: Projection) -> str:
    """The two or three measures that fit above a small panel."""
    quality = projection.quality
    line = _listed(
        [
            ("trustworthiness", quality.trustworthiness, index),
            ("distances ρ", quality.distance_correlation, index),
            ("variance", quality.explained_variance, percent),
        ]
    )
    return line


def badge(projection: Projection) -> str:
    """How far refits differ, in the fewest words; empty where there were none."""
    stability = projection.quality.stability
    if stability is None:
        return ""
    found = [refits.disparity for refits in (stability.seeds, stability.folds) if refits]
    return f"refits {max(found):.2f}"


def size_of(projection: Projection) -> str:
    """How much was drawn: networks, epochs, snapshots, weights."""
    trained = [t for t in projection.trajectories if t.phase == "train"]
    epochs = max((float(t.epochs.max()) for t in trained if len(t.epochs)), default=0.0)
    snapshots = max((len(t.points) for t in trained), default=0)
    networks = count_of_networks(len({t.pair for t in trained}), len(projection.arms))
    weights = projection.quality.weights
    width = "" if weights is None else f" of {weights:,} weights"
    return f"{networks} · {epochs:g} epochs on MNIST · {snapshots} snapshots{width} each"


def count_of_networks(pairs: int, arms: int) -> str:
    """How many networks there are, in words."""
    if arms == 2:
        return f"{pairs} pairs of networks" if pairs > 1 else "1 pair of networks"
    return f"{pairs} networks" if pairs > 1 else "1 network"


def name_of_omniglot(omniglot: Provenance) -> str:
    """What to call the pre-training's data where there is no room for its label."""
    return "OMNIGLOT" if omniglot.original else "a stand-in"


def draw_footer(
    figure: Figure,
    size: str,
    arms: Sequence[Arm],
    mnist: Provenance,
    omniglot: Provenance,
    left: float,
) -> None:
    """How much was drawn and, below it, of which data, at the foot of a figure (``FOOTER`` high).

    A dataset that is not the original stands out; OMNIGLOT is named only where it was used.
    ``left`` is in inches.
    """
    width, height = figure.get_size_inches()
    quiet = {"color": palette.QUIET, "size": style.SMALL}
    figure.text(left / width, 0.36 / height, size, va="bottom", **quiet)
    used = [mnist, omniglot] if "pretrained" in arms else [mnist]
    parts = [TextArea("Data:", textprops=quiet)]
    for dataset in used:
        if dataset is not mnist:
            parts.append(TextArea("·", textprops=quiet))
        look = quiet
        if not dataset.original:
            box = {"facecolor": palette.WARNING_FACE, "edgecolor": "none", "pad": 2.0}
            look = quiet | {"color": palette.WARNING_TEXT, "weight": "bold", "bbox": box}
        parts.append(TextArea(dataset.label, textprops=look))
    figure.add_artist(
        AnchoredOffsetbox(
            "lower left",
            child=HPacker(children=parts, pad=0, sep=5, align="baseline"),
            pad=0,
            borderpad=0,
            frameon=False,
            bbox_to_anchor=(left / width, 0.13 / height),
            bbox_transform=figure.transFigure,
        )
    )


def _stability_lines(quality: Quality) -> list[str]:
    if quality.stability is None:
        return []
    found = [
        ("with other seeds", quality.stability.seeds),
        ("without some networks", quality.stability.folds),
    ]
    parts = []
    for name, refits in found:
        if refits is None:
            continue
        middle, most = f"{refits.disparity:.2f}", f"{refits.maximum:.2f}"
        parts.append(f"{name} {middle}" + (f", at most {most}" if most != middle else ""))
    return [f"refits differ (0: not at all, 1: in everything) {' · '.join(parts)}"]


def _null_lines(quality: Quality) -> list[str]:
    if not quality.nulls:
        return []
    outside = {
        kind: [
            name
            for measure, name in _COMPARED.items()
            if measure in standings and standings[measure].is_outside
        ]
        for kind, standings in quality.nulls.items()
    }
    if not any(outside.values()):
        names = " and ".join(NULLS[kind] for kind in outside)
        return [f"{names} give pictures as good as this one"]
    parts = [
        f"unlike {NULLS[kind]} in {', '.join(found) or 'nothing'}"
        for kind, found in outside.items()
    ]
    line = " · ".join(parts)
    return [line] if len(line) <= _LONGEST else parts


def _listed(measures: Sequence[tuple[str, float | None, object]]) -> str:
    return " · ".join(
        f"{name} {written(value)}"
        for name, value, written in measures
        if value is not None and np.isfinite(value)
    )


def index(value: float, digits: int = 3) -> str:
    """Digits of which the last is cut: what is not perfect is not shown as 1."""
    tens = 10**digits
    return f"{np.trunc(value * tens) / tens:.{digits}f}".replace("-", "−")


def percent(value: float) -> str:
    percent = np.trunc(value * 1000) / 10
    return f"{percent:.1f} %".replace("-", "−")


def _share(value: float) -> str:
    return f"{value:.3f} of the variance"


def number(value: float) -> str:
    return f"{value:#.3g}"
