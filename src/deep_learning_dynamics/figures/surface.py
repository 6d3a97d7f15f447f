"""The loss on planes through weight space, and how wrong it is at every snapshot."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from deep_learning_dynamics.figures import style as look
from deep_learning_dynamics.figures.figure import FIGURES, AnalysisFigure
from deep_learning_dynamics.figures.groups import Groups, groups_of
from deep_learning_dynamics.figures.page import page, title_of
from deep_learning_dynamics.figures.plane import frame_axes
from deep_learning_dynamics.figures.style import Style, colour, group_entries
from deep_learning_dynamics.formatting import capital, count, number, percent
from deep_learning_dynamics.geometry.analysis import Finding
from deep_learning_dynamics.results import Results

PLANES = {"all": "All networks", "one": "One network's path", "random": "Random directions"}
WHERE = {
    "all": "the first two principal components of all snapshots",
    "one": "one network's own first two components",
    "random": "two random directions around that network",
}
CLOSE = 0.25  # an error within this share of the loss is small
_GREYS = LinearSegmentedColormap.from_list("loss", ["#ffffff", "#3c3c3c"])


@FIGURES.register
class SurfaceFigure(AnalysisFigure):
    key, title = "surface", "Loss surface"

    def draw(self, results: Results, style: Style, variant: str = "") -> Figure:
        found = self.finding(results)
        groups = groups_of(results, found.tables["snapshots"])
        planes = [plane for plane in PLANES if plane in found.numbers]
        rows = [[f"{plane}/surface" for plane in planes], [f"{plane}/own" for plane in planes]]
        if style.is_narrow:
            rows = [list(row) for row in zip(*rows, strict=True)]
        scale = _scale(found)
        figure, body = page(
            style,
            len(rows) * (style.width / len(rows[0]) * 0.98 + 0.15) + 0.6,
            self.title,
            _answer(found),
            f"Dots: snapshots in the grey of their own loss. {_networks(found)}.",
            results,
            [
                *group_entries(groups, groups.numbers(found.tables["snapshots"]).tolist()),
                Line2D([], [], color=look.QUIET, linewidth=0.8, label="no error", linestyle=_EVEN),
            ],
        )
        figure.get_layout_engine().set(h_pad=0.08)  # titles of panels have a line above them
        axes = body.subplot_mosaic(rows)
        for plane in planes:
            snapshots, grid = (_of(found, name, plane) for name in ("snapshots", "grid"))
            panel = axes[f"{plane}/surface"]
            mesh = _draw_surface(panel, grid, snapshots, groups, scale, style)
            share = found.numbers[plane]["share"]
            below = "" if share is None else _share(plane, share)
            title_of(panel, style, PLANES[plane], below)
            _draw_own(axes[f"{plane}/own"], snapshots, groups, scale)
        bar = body.colorbar(
            mesh, ax=list(axes.values()), location="bottom", aspect=60, shrink=0.6, pad=0.02
        )
        _scale_ticks(bar.ax.xaxis, scale)
        bar.set_label("Loss (nats)", size=style.text)
        return figure

    def caption(self, results: Results, variant: str = "") -> str:
        found = self.finding(results)
        sentences = [_answer(found)]
        for plane in ("one", "random"):
            if plane in found.numbers:
                sentences.append(f"{capital(_values(plane, found.numbers[plane]))}.")
        regions = _of(found, "regions", "all")
        regions = regions[regions["snapshots"] > 0]
        near = int((regions["error"] <= CLOSE * regions["loss"]).sum())
        sentences.append(
            f"Of the {count(len(regions), 'part')} of the first plane that hold snapshots, the "
            f"surface is right to within {100 * CLOSE:g} % of the loss (median error) in {near}. "
            "Grey: the loss at each point of the plane. Dots: snapshots, projected onto the plane, "
            "in the grey of their own loss; where a dot stands out, the surface is wrong. The "
            "other panels show the surface's loss at each snapshot against the snapshot's own."
        )
        return " ".join(sentences)


def _answer(found: Finding) -> str:
    """Whether the surface shows the networks' loss at their ends.

    Untrained networks, which many snapshots are, have much the same loss wherever they lie.
    """
    snapshots = _of(found, "snapshots", "all").sort_values("step", kind="stable")
    last = snapshots.groupby("network", sort=False).tail(1)
    ends = last[np.isfinite(last["loss"])]  # others diverged, and have no end
    if not len(ends):
        return "No network ends with a finite loss."
    some = f"of {len(ends)} of {count(len(last), 'network')}" if len(ends) < len(last) else ""
    error, loss = (ends["surface_loss"] - ends["loss"]).abs().median(), ends["loss"].median()
    how = "is close to" if error <= CLOSE * loss else "does not show"
    whose = f"the loss {some}" if some else "the networks' loss"
    return (
        f"The surface under the paths {how} {whose} at their ends"
        f"{' (others end without a finite loss)' if some else ''}: "
        f"{_held('all', found.numbers['all'])}; there the median loss of the ends is "
        f"{number(ends['surface_loss'].median())} nats, their own {number(loss)} "
        f"(median error {number(error)} nats)."
    )


def _held(plane: str, numbers: dict[str, Any]) -> str:
    """ "the first two principal components of all snapshots hold 11 % of the variance"."""
    held = "" if numbers["share"] is None else f" hold {_share(plane, numbers['share'])}"
    return f"{WHERE[plane]}{held}"


def _values(plane: str, numbers: dict[str, Any]) -> str:
    """The same, and what the surface says of all snapshots.

    A plane may be wrong exactly where networks learn, at the few snapshots of a steep loss; the
    median error does not show it.
    """
    held = _held(plane, numbers)
    if numbers["error_90"] is None:
        return f"{held}; no snapshot has a finite loss there"
    return (
        f"{held}; there the median loss is "
        f"{number(numbers['median_surface_loss'])} nats, the snapshots' own "
        f"{number(numbers['median_loss'])} (90th percentile of the error: "
        f"{number(numbers['error_90'])} nats)"
    )


def _share(plane: str, share: float) -> str:
    what = "the squared distances" if plane == "random" else "the variance"
    return f"{percent(share, 0 if share >= 0.01 else 1)} of {what}"


def _of(found: Finding, table: str, plane: str) -> pd.DataFrame:
    rows = found.tables[table]
    return rows[rows["plane"] == plane]


def _networks(found: Finding) -> str:
    text = count(_of(found, "snapshots", "all")["network"].nunique(), "network")
    one = _of(found, "snapshots", "one")["network"]
    return f"{text}; the one: {one.iloc[0]}" if len(one) else text


def _scale(found: Finding) -> LogNorm:
    """From the lowest loss of a snapshot to the highest that matters: of snapshots, twice."""
    values = found.tables["snapshots"][["loss", "surface_loss"]].to_numpy()
    values = values[np.isfinite(values) & (values > 0)]
    return LogNorm(values.min() / 1.1, 1.5 * values.max()) if values.size else LogNorm(0.1, 10)


_EVEN = (0, (1, 2))


def _draw_surface(
    axes: Axes,
    grid: pd.DataFrame,
    snapshots: pd.DataFrame,
    groups: Groups,
    scale: LogNorm,
    style: Style,
) -> Any:
    x, y = np.unique(grid["x"]), np.unique(grid["y"])
    loss = grid["loss"].to_numpy().reshape(len(y), len(x))
    loss = np.where(np.isfinite(loss), loss, scale.vmax)
    mesh = axes.pcolormesh(
        x, y, np.clip(loss, scale.vmin, scale.vmax), norm=scale, cmap=_GREYS, shading="gouraud",
        rasterized=True,
    )  # fmt: skip
    many = snapshots["network"].nunique()
    size = (2.2 if many > 5 else 3.4) * (0.8 if style.is_narrow else 1)
    for _, path in snapshots.groupby("network", sort=False):
        own = colour(groups.index(path["group"].iloc[0]), 0.75)
        axes.plot(path["x"], path["y"], color=own, linewidth=0.5 if many > 5 else 1, zorder=2)
        axes.scatter(
            path["x"], path["y"], s=size**2, c=np.clip(path["loss"], scale.vmin, scale.vmax),
            norm=scale, cmap=_GREYS, edgecolors=[own], linewidths=0.35, zorder=3,
        )  # fmt: skip
    axes.set_aspect("equal")
    axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    frame_axes(axes)
    return mesh


def _draw_own(axes: Axes, snapshots: pd.DataFrame, groups: Groups, scale: LogNorm) -> None:
    ends = [scale.vmin, scale.vmax]
    axes.plot(ends, ends, color=look.QUIET, linewidth=0.8, linestyle=_EVEN, zorder=1)
    for name, part in snapshots.groupby("group", sort=False):
        own = colour(groups.index(name), 0.75)
        alpha = float(np.clip((300 / len(part)) ** 0.5, 0.25, 0.8))
        axes.scatter(
            part["loss"], part["surface_loss"], s=5, color=own, alpha=alpha, linewidths=0, zorder=2
        )
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        _scale_ticks(axis, scale)
    axes.set(xlabel="Own loss (nats)", ylabel="Surface's loss")
    axes.grid()


def _scale_ticks(axis: Any, scale: LogNorm) -> None:
    decades = 10.0 ** np.arange(-6, 7)
    for candidates in (np.outer(decades, [1, 3]).ravel(), decades):
        ticks = [tick for tick in candidates if scale.vmin <= tick <= scale.vmax]
        if len(ticks) <= 6:
            break
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)
