"""The words on a figure: which method, how far to believe it, which data, how many networks."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea

from deep_learning_dynamics.figures import palette, style
from deep_learning_dynamics.figures.inputs import Projection, Provenance
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
        ("trustworthiness", quality.trustworthiness, _index),
        ("continuity", quality.continuity, _index),
        ("rank correlation of distances", quality.distance_correlation, _index),
    ]
    own = [
        ("variance explained", quality.explained_variance, _percent),
        ("reconstruction error", quality.reconstruction_error, _share),
        ("variance kept by the code", quality.code_explained_variance, _percent),
        ("quantisation error", quality.quantisation_error, _number),
        ("topographic error", quality.topographic_error, _percent),
    ]
    lines = [_listed(general), _listed(own)]
    return [line for line in lines if line]


def short_quality(projection: Projection) -> str:
    """The two or three measures that fit above a small panel."""
    quality = projection.quality
    line = _listed(
        [
            ("trustworthiness", quality.trustworthiness, _index),
            ("distances ρ", quality.distance_correlation, _index),
            ("variance", quality.explained_variance, _percent),
        ]
    )
    return line


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


def _listed(measures: Sequence[tuple[str, float | None, object]]) -> str:
    return " · ".join(
        f"{name} {written(value)}"
        for name, value, written in measures
        if value is not None and np.isfinite(value)
    )


def _index(value: float) -> str:
    """Three digits, of which the last is cut: what is not perfect is not shown as 1."""
    return f"{np.trunc(value * 1000) / 1000:.3f}".replace("-", "−")


def _percent(value: float) -> str:
    percent = np.trunc(value * 1000) / 10
    return f"{percent:.1f} %".replace("-", "−")


def _share(value: float) -> str:
    return f"{value:.3f} of the variance"


def _number(value: float) -> str:
    return f"{value:.3g}"
