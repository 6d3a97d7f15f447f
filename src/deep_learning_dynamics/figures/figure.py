"""What a figure is: a file that registers a key, what it needs and how it is drawn."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from matplotlib.figure import Figure

from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.figures.style import Style, last_phase
from deep_learning_dynamics.files import replacing, write_json
from deep_learning_dynamics.registry import Registry

if TYPE_CHECKING:
    from deep_learning_dynamics.results import Results

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


class FigureKind:
    """One kind of figure; subclasses register with ``@FIGURES.register``."""

    key: ClassVar[str]
    title: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()  # fields of Results without which it is not drawn
    analysis: ClassVar[str] = ""  # the key of the analysis whose finding it shows, if it shows one

    def variants(self, results: "Results") -> tuple[str, ...]:
        """The figures of this kind that results have: one per method, ("",), or none."""
        missing = self.analysis and results.geometry.get(self.analysis) is None
        return () if missing else ("",)

    def draw(self, results: "Results", style: Style, variant: str = "") -> Figure:
        raise NotImplementedError

    def caption(self, results: "Results", variant: str = "") -> str:
        """Text for below the figure: its first sentence is the answer, then how to read it."""
        raise NotImplementedError


def draw(
    key: str, results: "Results", style: Style | None = None, variant: str = "", **options: object
) -> Figure:
    """Draw the figure of that key.

    Args:
        style: how; ``options`` such as ``width=3.35`` replace single fields of it.
        variant: which, where there are several of a kind: the key of a method.

    Raises:
        ParamsError: there is no such figure, or the results lack what it needs.
    """
    kind = FIGURES[key]()
    _check(kind, results)
    chosen = style or Style()
    if options:
        from dataclasses import replace

        chosen = replace(chosen, **options)
    variant = _variant(kind, results, variant)
    with chosen.applied():
        return kind.draw(results, chosen, variant)


def caption(key: str, results: "Results", variant: str = "") -> str:
    """The caption of a figure that :func:`draw` draws."""
    kind = FIGURES[key]()
    _check(kind, results)
    return kind.caption(results, _variant(kind, results, variant))


def available(results: "Results") -> Iterator[tuple[str, str, str]]:
    """Name, key and variant of every figure that can be drawn: ("paths-pca", "paths", "pca")."""
    for key, cls in FIGURES.items():
        kind = cls()
        if any(getattr(results, need) is None for need in kind.needs):
            continue
        for variant in kind.variants(results):
            yield (f"{key}-{variant}" if variant else key), key, variant


def draw_all(results: "Results", folder: Path, style: Style) -> dict[str, str]:
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


def animated(results: "Results") -> str:
    """The method whose paths are animated: the first of the ranking that places a network."""
    ranked = [item.method for item in results.ranking.items] if results.ranking else []
    for method in [*ranked, *(results.projections or {})]:
        table = (results.projections or {})[method].coordinates
        if last_phase(table)["x"].notna().any():
            return method
    return ""


def save(
    figure: Figure, path: Path, formats: tuple[str, ...] = ("png",), dpi: int = 200
) -> list[Path]:
    """Write a figure as ``path`` with each format's suffix; the same figure, the same bytes."""
    undated = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    written = []
    for form in formats:
        if form not in undated:
            raise ParamsError(
                f"figures.formats has {form!r}; expected png, svg or pdf. Set it in params.yaml."
            )
        stream = io.BytesIO()
        with Style().applied():
            figure.savefig(stream, format=form, dpi=dpi, metadata=undated[form])
        target = path.with_name(f"{path.name}.{form}")
        with replacing(target) as partial:
            partial.write_bytes(stream.getvalue())
        written.append(target)
    return written


def _variant(kind: FigureKind, results: "Results", asked: str) -> str:
    """The variant that was asked for, by default the first."""
    known = kind.variants(results)
    if asked in known:
        return asked
    if asked or not known:
        which = f"one of {', '.join(known)}" if any(known) else "another figure"
        raise ParamsError(
            f"Figure {kind.key}{f' of {asked!r}' if asked else ''} cannot be drawn of these "
            f"results; expected {which}."
        )
    return known[0]


def _check(kind: FigureKind, results: "Results") -> None:
    missing = [need for need in kind.needs if getattr(results, need) is None]
    if missing:
        raise ParamsError(
            f"Figure {kind.key} needs {' and '.join(missing)}, which these results lack. "
            "Run the stages that make them, or build the results with Results.of(runs)."
        )
