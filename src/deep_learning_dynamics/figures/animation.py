"""The paths as they grow while the networks learn: pre-training first, then MNIST."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from deep_learning_dynamics.figures import captions, hexagons, keys, palette, paths, style
from deep_learning_dynamics.figures.detail import draw_inset
from deep_learning_dynamics.figures.frame import Frame
from deep_learning_dynamics.figures.gif import Animation, animation_of
from deep_learning_dynamics.figures.inputs import Projection, Provenance, Trajectory
from deep_learning_dynamics.figures.palette import AccuracyScale
from deep_learning_dynamics.figures.planes import Box, panels_of_layers, plane_of
from deep_learning_dynamics.figures.strokes import strokes
from deep_learning_dynamics.figures.style import Sizes
from deep_learning_dynamics.figures.trajectories import accuracy_scale, draw_heading

# In inches, from the lower left corner.
WIDTH, HEIGHT, DPI = 9.6, 7.2, 100
_BOX = Box(left=0.75, bottom=1.1, right=6.75, top=6.55)  # of the plane
_KEYS, _EDGE = 6.98, 0.2
_CLOCK = 6.55  # the top of what tells the time
_LEGEND = 4.55  # the top of the legend
_MOST = {"pretrain": 16, "train": 44}  # frames
_SECONDS, _TURN, _LAST = 0.12, 0.8, 2.0  # of a frame, of the end of pre-training, of the last
_ORDER = ("pretrain", "train")


@dataclass(frozen=True)
class Moment:
    """What the clock shows."""

    phase: str
    epoch: float

    def has_seen(self, phase: str, epoch: float) -> bool:
        """Whether a snapshot was taken by now."""
        if phase != self.phase:
            return _ORDER.index(phase) < _ORDER.index(self.phase)
        return epoch <= self.epoch + 1e-9


@style.applied()
def learning_animation(
    projection: Projection, mnist: Provenance, omniglot: Provenance
) -> Animation:
    """The animation of one method, 960 × 720 pixels, with a frame for each of about 60 moments."""
    ramps = np.concatenate([palette.ramp(arm)[::2] for arm in projection.arms])
    frames = _frames(projection, mnist, omniglot)
    return animation_of(frames, exact=np.rint(255 * ramps).astype(np.uint8))


def moments_of(trajectories: Sequence[Trajectory]) -> list[Moment]:
    """When to show the paths: at snapshots, so that the first epoch takes as long as it is full."""
    found = []
    for phase, most in _MOST.items():
        epochs = [t.epochs for t in trajectories if t.phase == phase]
        seen = np.unique(np.concatenate([*epochs, np.empty(0)]))
        if len(seen):
            chosen = np.unique(np.rint(np.linspace(0, len(seen) - 1, most)).astype(int))
            found += [Moment(phase, float(epoch)) for epoch in seen[chosen]]
    return found


def _frames(
    projection: Projection, mnist: Provenance, omniglot: Provenance
) -> Iterator[tuple[np.ndarray, float]]:
    """Each frame, red, green, blue and opacity, and how many seconds it is shown.

    What stays is drawn once; the paths of a frame are drawn over those of the frame before.
    Our style must be in force from the first frame to the last; no generator can see to that.
    """
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    accuracies = accuracy_scale(projection)
    draw_heading(figure, captions.TITLES[projection.method], [], _EDGE)
    scenes = [
        scene
        for panel in panels_of_layers(figure, projection, _BOX)
        for scene in _scenes(panel.axes, panel.layer, panel.width, panel.height, projection)
    ]
    name = captions.name_of_omniglot(omniglot)
    _draw_keys(figure, projection, accuracies, name)
    size = captions.size_of(projection)
    captions.draw_footer(figure, size, projection.arms, mnist, omniglot, _EDGE)
    clock = _Clock(figure, projection, name)
    growing = [_Growing(scene, accuracies) for scene in scenes]

    canvas.draw()
    renderer = canvas.get_renderer()
    moments = moments_of(projection.trajectories)
    for moment, after in zip(moments, [*moments[1:], None], strict=True):
        for each in growing:
            for artist in each.new_strokes(moment):
                artist.draw(renderer)
                artist.remove()
        kept = canvas.copy_from_bbox(figure.bbox)
        for each in growing:
            for artist in each.starts(moment):
                artist.draw(renderer)
            for artist in each.marks(moment):
                artist.draw(renderer)
                artist.remove()
        for text in clock.set(moment):
            text.draw(renderer)
        seconds = _SECONDS
        if after is None:
            seconds = _LAST
        elif after.phase != moment.phase:
            seconds = _TURN
        yield np.array(canvas.buffer_rgba()), seconds
        canvas.restore_region(kept)


@dataclass(frozen=True)
class _Scene:
    """One drawing of paths: a panel, or the magnified part of one."""

    axes: Axes
    trajectories: list[Trajectory]
    frame: Frame
    sizes: Sizes
    magnified: bool


def _scenes(
    axes: Axes, layer: int, width: float, height: float, projection: Projection
) -> list[_Scene]:
    shown = [t for t in projection.trajectories if t.layer == layer]
    plane = plane_of(projection.trajectories, shown, projection.map, width, height)
    if projection.map is not None:
        hexagons.draw_map(axes, projection.map)
    plane.frame.apply(axes)
    scenes = [_Scene(axes, plane.trajectories, plane.frame, plane.sizes, magnified=False)]
    if plane.detail is not None:
        inset = draw_inset(axes, plane.detail)
        plane.detail.frame.apply(inset)
        scenes.append(
            _Scene(
                inset, plane.trajectories, plane.detail.frame, plane.detail_sizes, magnified=True
            )
        )
    return scenes


class _Growing:
    """The strokes of a scene in order of time, given out as the clock goes on."""

    def __init__(self, scene: _Scene, accuracies: AccuracyScale) -> None:
        self.scene = scene
        self.accuracies = accuracies
        self.rings: list[Artist] = []
        self.drawn = {id(t): 0 for t in scene.trajectories}  # snapshots to which a path is drawn

    def new_strokes(self, moment: Moment) -> list[Artist]:
        """What is new since the moment before."""
        lines: list[np.ndarray] = []
        looks: list[tuple[object, float, object]] = []  # colour, width, dashes
        line = self.scene.sizes.line
        for trajectory in self.scene.trajectories:
            start, end = self.drawn[id(trajectory)], _last_seen(trajectory, moment)
            self.drawn[id(trajectory)] = max(end, 0)
            if end <= start:
                continue
            part = _part(trajectory, start, end)
            # Dashes go on where those of the stroke before ended; they are in line widths.
            offset = _length(trajectory.points[: start + 1]) * self.scene.frame.scale
            if trajectory.phase == "pretrain":
                width = max(0.75 * line, 0.7)
                lines.append(part.points)
                looks.append((palette.GREY, width, (offset / width, paths.DOTS)))
            elif trajectory.failed:
                width = 0.8 * line
                for piece, colour in strokes(part, None):
                    lines.append(piece)
                    looks.append((colour, width, (offset / width, paths.DASHES)))
                    offset += _length(piece) * self.scene.frame.scale
            else:
                for piece, colour in strokes(part, self.accuracies):
                    lines.append(piece)
                    looks.append((colour, line, "solid"))
        if not lines:
            return []
        colours, widths, dashes = zip(*looks, strict=True)
        new = LineCollection(
            lines,
            colors=colours,
            linewidths=widths,
            linestyles=list(dashes),  # a tuple of two would be taken for one pattern
            # Round, so that strokes that meet have no notch between them.
            capstyle="round",
            joinstyle="round",
        )
        self.scene.axes.add_collection(new, autolim=False)
        return [new]

    def starts(self, moment: Moment) -> list[Artist]:
        """Where training on MNIST began, from its beginning on; made once, they stay."""
        if moment.phase == "train" and not self.rings:
            before = set(self.scene.axes.collections)
            trained = [t for t in self.scene.trajectories if t.phase == "train"]
            paths.draw_starts(self.scene.axes, trained, self.scene.sizes)
            self.rings = [each for each in self.scene.axes.collections if each not in before]
        return self.rings

    def marks(self, moment: Moment) -> list[Artist]:
        """Where each network is now, and how those ended that have arrived."""
        axes, sizes = self.scene.axes, self.scene.sizes
        before = set(axes.collections)
        began = [t for t in self.scene.trajectories if _last_seen(t, moment) >= 0]
        trained = [t for t in began if t.phase == "train"]
        ended = [t for t in trained if moment.has_seen("train", float(t.epochs[-1]))]
        paths.draw_ends(axes, [t for t in ended if not t.failed], sizes)
        for trajectory in ended:
            if trajectory.failed and (
                not self.scene.magnified or self.scene.frame.inside(trajectory.points).all()
            ):
                paths.mark_failure(axes, trajectory, self.scene.frame, sizes)
        moving = [t for t in began if t.phase == moment.phase and t not in ended]
        if moving:
            axes.scatter(
                *np.transpose([t.points[_last_seen(t, moment)] for t in moving]),
                s=(0.75 * sizes.marker) ** 2,
                c=[
                    palette.GREY if t.phase == "pretrain" else palette.colour(t.arm, 0.8)
                    for t in moving
                ],
                edgecolors="white",
                linewidths=0.5,
            )
        return [artist for artist in axes.collections if artist not in before]


class _Clock:
    """The words that change: which data, which epoch, and how well the networks do by then."""

    def __init__(self, figure: Figure, projection: Projection, omniglot: str) -> None:
        first = projection.layers[0] if projection.layers else 0
        self.trajectories = [t for t in projection.trajectories if t.layer == first]
        self.arms = projection.arms
        self.data = {"pretrain": omniglot, "train": "MNIST"}

        def line(down: float, size: float, **look: object) -> Text:
            place = (_KEYS / WIDTH, (_CLOCK - down) / HEIGHT)
            return figure.text(*place, "", va="top", size=size, animated=True, **look)

        self.phase = line(0.0, 11.0)
        self.epoch = line(0.22, 20.0, weight="bold")
        self.note = line(0.72, style.LABEL, color=palette.QUIET)
        self.scores = [line(0.95 + 0.26 * number, 12.0) for number in range(2)]

    def set(self, moment: Moment) -> list[Text]:
        """The texts for a moment."""
        verb = "pre-training on" if moment.phase == "pretrain" else "learning"
        self.phase.set_text(f"{verb} {self.data[moment.phase]}")
        self.epoch.set_text(f"epoch {moment.epoch:.1f}")
        self.note.set_text(f"median test accuracy on {self.data[moment.phase]}")
        for text in self.scores:
            text.set_text("")
        for text, arm in zip(self.scores, self._arms(moment), strict=False):
            median = self.median(moment, arm)
            known = "–" if np.isnan(median) else f"{100 * median:.1f} %"
            text.set_text(f"{known}  {captions.ARMS[arm]}")
            text.set_color(palette.colour(arm, 0.8))
        return [self.phase, self.epoch, self.note, *self.scores]

    def _arms(self, moment: Moment) -> list[str]:
        found = dict.fromkeys(t.arm for t in self.trajectories if t.phase == moment.phase)
        return [arm for arm in self.arms if arm in found]

    def median(self, moment: Moment, arm: str) -> float:
        """Over all networks with a score, those that failed included; NaN where none has one."""
        scores: list[Float[np.ndarray, " snapshot"]] = [
            t.accuracy[np.isclose(t.epochs, moment.epoch)]
            for t in self.trajectories
            if (t.phase, t.arm) == (moment.phase, arm)
        ]
        known = np.concatenate([*scores, np.empty(0)])
        known = known[np.isfinite(known)]
        return float(np.median(known)) if len(known) else float("nan")


def _last_seen(trajectory: Trajectory, moment: Moment) -> int:
    """The number of a path's last snapshot by now, −1 before it began."""
    return sum(moment.has_seen(trajectory.phase, float(e)) for e in trajectory.epochs) - 1


def _part(trajectory: Trajectory, start: int, end: int) -> Trajectory:
    rows = slice(start, end + 1)
    faithfulness, wobble = trajectory.faithfulness, trajectory.wobble
    return replace(
        trajectory,
        epochs=trajectory.epochs[rows],
        accuracy=trajectory.accuracy[rows],
        points=trajectory.points[rows],
        faithfulness=None if faithfulness is None else faithfulness[rows],
        wobble=None if wobble is None else wobble[rows],
    )


def _length(points: Float[np.ndarray, "row 2"]) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def _draw_keys(
    figure: Figure, projection: Projection, accuracies: AccuracyScale, omniglot: str
) -> None:
    entries = keys.legend_entries(projection.trajectories, omniglot, growing=True)
    keys.draw_legend(figure, entries, (_KEYS / WIDTH, _LEGEND / HEIGHT))
    box = Box(_KEYS + 0.05, _BOX.bottom, WIDTH - 0.25, _BOX.top)
    keys.draw_bars(figure, projection, accuracies, box)
