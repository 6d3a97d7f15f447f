"""Paths that grow while the networks learn, as a GIF.

Pillow writes it directly: matplotlib's writer draws each frame twice and repeats the last one.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from deep_learning_dynamics.figures.page import plane_page
from deep_learning_dynamics.figures.paths import method_of, placed, plane_of
from deep_learning_dynamics.figures.plane import draw_planes, frame_axes
from deep_learning_dynamics.figures.style import QUIET, Style
from deep_learning_dynamics.figures.trajectories import Trajectory, until
from deep_learning_dynamics.files import replacing
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.selection import evenly

# Milliseconds for which a moment, the last one and, before all others, the last one are shown.
FRAME, LAST, FIRST = 100, 1200, 400
MOST_EARLIER, MOST_MOMENTS = 10, 30  # moments of earlier training and of the networks themselves


def save_animation(results: Results, method: str, path: Path) -> list[tuple[str, float]]:
    """Write the animation of one method; the same results give the same bytes.

    The first frame is the last moment, because it is what previews and printers show. Then earlier
    training comes first, where there is any.

    Returns:
        The moments that are shown: "earlier" or "", and the step.

    Raises:
        EmptyFigureError: there is nothing to see in the projection.
    """
    style, projection = Style(width=5.5, dpi=110), results.projections[method]
    with style.applied():
        plane, groups = plane_of(projection, results, style)
        trajectories = plane.trajectories
        placed(trajectories)  # refuses a plane with nothing in it
        plane.ellipses = ([], *plane.ellipses[1:])  # of ends, which only the last moment has
        plane.moving = True
        height = (style.width - 0.1) * float(np.clip(plane.shape, 0.5, 0.8))
        title = method_of(projection).title
        figure, axes, _ = plane_page(
            style, {"plane": plane}, [["plane"]], height, groups, title, "", "", results
        )
        panel = axes["plane"]
        frame_axes(panel)
        draw_planes(figure, [])
        canvas = figure.canvas
        canvas.draw()
        empty = canvas.copy_from_bbox(figure.bbox)  # all that stands around the panel, drawn once
        moments = moments_of(trajectories)
        frames = []
        for phase, step in moments:
            for drawn in (*panel.collections, *panel.lines, *panel.texts):
                drawn.remove()
            # Earlier training grows first, then the networks do.
            plane.trajectories = [
                t if t.earlier and not phase else until(t, step)
                for t in trajectories
                if t.earlier or not phase
            ]
            plane.draw()
            clock = f"{'earlier training, ' if phase else ''}step {step:,.0f}"
            panel.text(0.015, 0.98, clock, transform=panel.transAxes, va="top", color=QUIET)
            canvas.restore_region(empty)
            panel.draw(canvas.get_renderer())
            frames.append(Image.fromarray(np.array(canvas.buffer_rgba())).convert("RGB"))
    durations = [FIRST] + [FRAME] * (len(frames) - 1) + [LAST]
    with replacing(path) as partial:
        frames[-1].save(partial, save_all=True, append_images=frames, duration=durations, loop=0)
    return moments


def animation_caption(results: Results, method: str, moments: list[tuple[str, float]]) -> str:
    """What :func:`save_animation` shows."""
    title = method_of(results.projections[method]).title
    before = "after earlier training, " if any(phase for phase, _ in moments) else ""
    return (
        f"Networks learn until step {moments[-1][1]:,.0f}, {before}in {len(moments)} moments. "
        "The last is shown first, too. Squares: where networks are at the step; all else as in the "
        f"figure of {title}."
    )


def moments_of(trajectories: list[Trajectory]) -> list[tuple[str, float]]:
    """Some steps of earlier training, then some of the networks', the first and last of each."""
    moments = []
    for phase, most in (("earlier", MOST_EARLIER), ("", MOST_MOMENTS)):
        mine = [t.steps for t in trajectories if t.earlier == bool(phase) and len(t.steps)]
        if mine:
            steps = evenly(np.unique(np.concatenate(mine)), most)
            moments += [(phase, step) for step in steps.tolist()]
    return moments
