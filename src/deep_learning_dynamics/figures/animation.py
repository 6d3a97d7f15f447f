"""The paths as they grow while the networks learn: pre-training first, then MNIST."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from deep_learning_dynamics.figures import captions, hexagons, keys, palette, style
from deep_learning_dynamics.figures.clock import Clock
from deep_learning_dynamics.figures.detail import draw_inset
from deep_learning_dynamics.figures.gif import Animation, animation_of
from deep_learning_dynamics.figures.growing import Growing, Scene
from deep_learning_dynamics.figures.inputs import Projection, Provenance
from deep_learning_dynamics.figures.moments import moments_of
from deep_learning_dynamics.figures.palette import AccuracyScale
from deep_learning_dynamics.figures.planes import Box, panels_of_layers, plane_of
from deep_learning_dynamics.figures.trajectories import accuracy_scale, draw_heading

# In inches, from the lower left corner.
WIDTH, HEIGHT, DPI = 9.6, 7.2, 100
_BOX = Box(left=0.75, bottom=1.1, right=6.75, top=6.55)  # of the plane
_KEYS, _EDGE = 6.98, 0.2
_CLOCK = 6.55  # the top of what tells the time
_LEGEND = 4.55  # the top of the legend
_SECONDS, _TURN, _LAST = 0.12, 0.8, 2.0  # of a frame, of the end of pre-training, of the last


@style.applied()
def learning_animation(
    projection: Projection, mnist: Provenance, omniglot: Provenance
) -> Animation:
    """The animation of one method, 960 × 720 pixels, with a frame for each of about 60 moments."""
    ramps = np.concatenate([palette.ramp(arm)[::2] for arm in projection.arms])
    frames = _frames(projection, mnist, omniglot)
    return animation_of(frames, exact=np.rint(255 * ramps).astype(np.uint8))


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
    clock = Clock(figure, projection, name, _KEYS, _CLOCK)
    growing = [Growing(scene, accuracies) for scene in scenes]

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


def _scenes(
    axes: Axes, layer: int, width: float, height: float, projection: Projection
) -> list[Scene]:
    shown = [t for t in projection.trajectories if t.layer == layer]
    plane = plane_of(projection.trajectories, shown, projection.map, width, height)
    if projection.map is not None:
        hexagons.draw_map(axes, projection.map)
    plane.frame.apply(axes)
    scenes = [Scene(axes, plane.trajectories, plane.frame, plane.sizes, magnified=False)]
    if plane.detail is not None:
        inset = draw_inset(axes, plane.detail)
        plane.detail.frame.apply(inset)
        scenes.append(
            Scene(inset, plane.trajectories, plane.detail.frame, plane.detail_sizes, magnified=True)
        )
    return scenes


def _draw_keys(
    figure: Figure, projection: Projection, accuracies: AccuracyScale, omniglot: str
) -> None:
    entries = keys.legend_entries(projection.trajectories, omniglot, growing=True)
    keys.draw_legend(figure, entries, (_KEYS / WIDTH, _LEGEND / HEIGHT))
    box = Box(_KEYS + 0.05, _BOX.bottom, WIDTH - 0.25, _BOX.top)
    keys.draw_bars(figure, projection, accuracies, box)
