"""What tells the time in an animation of learning."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.text import Text

from deep_learning_dynamics.figures import captions, palette, style
from deep_learning_dynamics.figures.inputs import Projection
from deep_learning_dynamics.figures.moments import Moment


class Clock:
    """The words that change: which data, which epoch, and how well the networks do by then."""

    def __init__(
        self, figure: Figure, projection: Projection, omniglot: str, left: float, top: float
    ) -> None:
        """``left`` and ``top`` are in inches from the lower left corner of the figure."""
        first = projection.layers[0] if projection.layers else 0
        self.trajectories = [t for t in projection.trajectories if t.layer == first]
        self.arms = projection.arms
        self.data = {"pretrain": omniglot, "train": "MNIST"}

        def line(down: float, size: float, **look: object) -> Text:
            place = (left / figure.get_figwidth(), (top - down) / figure.get_figheight())
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
