"""What a figure is: a file that registers a key, what it needs and how it is drawn."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from matplotlib.figure import Figure

from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.figures.page import message_page
from deep_learning_dynamics.figures.style import Style
from deep_learning_dynamics.files import replacing, write_json
from deep_learning_dynamics.geometry import Finding
from deep_learning_dynamics.registry import Registry
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.store.schema import last_phase

FIGURES: Registry = Registry(
    "figure",
    "deep_learning_dynamics.figures",
    (
        "paths",
        "sheet",
        "nulls",
        "learning_curves",
        "forest",
        "over_time",
        "by_parameter",
        "barriers",
        "surface",
        "function_space",
        "representations",
        "spectra",
        "regions",
        "comparison",
    ),
)


class EmptyFigureError(ParamsError):
    """Results have what a figure needs, and yet nothing that it could show; the message says why.

    Raised while a figure or its caption is made; the message takes their place.
    """


class FigureKind:
    """One kind of figure; subclasses register with ``@FIGURES.register``."""

    key: ClassVar[str]
    title: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()  # fields of Results without which it is not drawn

    def variants(self, results: Results) -> tuple[str, ...]:
        """The figures of this kind that results have: one per method, ("",), or none."""
        return ("",)

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        raise NotImplementedError

    def caption(self, results: Results, variant: str = "") -> str:
        """Text for below the figure: its first sentence is the answer, then how to read it."""
        raise NotImplementedError


class AnalysisFigure(FigureKind):
    """A figure of what the analysis with the same key found."""

    needs = ("geometry",)

    def variants(self, results: Results) -> tuple[str, ...]:
        return () if results.geometry.get(self.key) is None else ("",)

    def finding(self, results: Results) -> Finding:
        return results.geometry.get(self.key)


def draw(
    key: str, results: Results, style: Style | None = None, variant: str = "", **options: object
) -> Figure:
    """Draw the figure of that key.

    Args:
        style: how; ``options`` such as ``width=3.35`` replace single fields of it.
        variant: which, where there are several of a kind: the key of a method.

    Raises:
        ParamsError: there is no such figure, or the results lack what it needs.
    """
    kind, variant = _ready(key, results, variant)
    style = replace(style or Style(), **options)
    with style.applied():
        try:
            return kind.draw(results, style, variant)
        except EmptyFigureError as reason:
            return message_page(style, kind.title, str(reason))


def caption(key: str, results: Results, variant: str = "") -> str:
    """The caption of a figure that :func:`draw` draws."""
    kind, variant = _ready(key, results, variant)
    try:
        return kind.caption(results, variant)
    except EmptyFigureError as reason:
        return str(reason)


def available(results: Results) -> Iterator[tuple[str, str, str]]:
    """Name, key and variant of every figure that can be drawn: ("paths-pca", "paths", "pca")."""
    for key, kind in FIGURES.items():
        if not _missing(kind, results):
            for variant in kind().variants(results):
                yield (f"{key}-{variant}" if variant else key), key, variant


def draw_all(results: Results, folder: Path, style: Style) -> dict[str, str]:
    """Draw every figure there is into ``folder``, with ``captions.json``; returns the captions.

    The paths of one method, the most faithful, are animated.
    """
    from deep_learning_dynamics.figures.animation import animation_caption, save_animation

    captions = {}
    for name, key, variant in available(results):
        save(draw(key, results, style, variant), folder / name, style.formats, style.dpi)
        captions[name] = caption(key, results, variant)
    method = animated(results)
    if method:
        moments = save_animation(results, method, folder / f"animation-{method}.gif")
        captions[f"animation-{method}"] = animation_caption(results, method, moments)
    write_json(folder / "captions.json", captions)
    return captions


def animated(results: Results) -> str:
    """The method whose paths are animated: the first of the ranking that places a network."""
    for method in results.ranked:
        if last_phase(results.projections[method].coordinates)["x"].notna().any():
            return method
    return ""


def save(
    figure: Figure, path: Path, formats: tuple[str, ...] = ("png",), dpi: int = 200
) -> list[Path]:
    """Write a figure as ``path`` with each format's suffix; the same figure, the same bytes."""
    options: dict[str, dict[str, Any]] = {
        # A picture of paths is written a fifth sooner than by default, and 7 % larger.
        "png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},
        "svg": {"metadata": {"Date": None}},
        "pdf": {"metadata": {"CreationDate": None}},
    }
    written = []
    for form in formats:
        if form not in options:
            raise ParamsError(
                f"figures.formats has {form!r}; expected png, svg or pdf. Set it in params.yaml."
            )
        written.append(path.with_name(f"{path.name}.{form}"))
        with replacing(written[-1]) as partial, Style().applied():
            figure.savefig(partial, format=form, dpi=dpi, **options[form])
    return written


def _missing(kind: type[FigureKind], results: Results) -> list[str]:
    return [need for need in kind.needs if getattr(results, need) is None]


def _ready(key: str, results: Results, variant: str) -> tuple[FigureKind, str]:
    """The kind of figure and its variant, by default the first.

    Raises:
        ParamsError: there is no such figure, or the results lack what it needs.
    """
    if missing := _missing(FIGURES[key], results):
        raise ParamsError(
            f"Figure {key} needs {' and '.join(missing)}, which these results lack. "
            "Run the stages that make them, or build the results with Results.of(runs)."
        )
    kind = FIGURES[key]()
    known = kind.variants(results)
    if not known or (variant and variant not in known):
        which = f"one of {', '.join(known)}" if any(known) else "another figure"
        raise ParamsError(
            f"Figure {key}{f' of {variant!r}' if variant else ''} cannot be drawn of these "
            f"results; expected {which}."
        )
    return kind, variant or known[0]
