"""Trajectories as a plane shows them: from a projection's table, and which part must be seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from deep_learning_dynamics.figures.groups import Groups
from deep_learning_dynamics.figures.style import TONE, ScoreScale
from deep_learning_dynamics.store.schema import DEAD

MOST_NUMBERED = 25  # pairs whose ends carry their number
# Fields of trajectories by snapshot.
_ROWS = ("points", "steps", "score", "recorded", "faith", "spread")
LEAST_INK = 0.22  # of a point whose neighbourhood is lost: it can still be seen
FAR = 3.0  # a network is far out if the others would be drawn this many times as large without it

Points = Float[np.ndarray, "row 2"]
_Path = Float[np.ndarray, "_ 2"]  # one of several, each of its own length


@dataclass(frozen=True)
class Trajectory:
    """A network's way through the plane; snapshots without a place are left out."""

    network: str
    group: int  # −1: none
    label: str  # the number of its pair, or of its parameter; "" without
    outcome: str  # "", "dead", "diverged"
    earlier: bool  # another network continues it
    points: Points
    steps: Float[np.ndarray, " row"]
    score: Float[np.ndarray, " row"] | None = None  # None: it has none at any snapshot
    recorded: Bool[np.ndarray, " row"] | None = None  # False: this score is interpolated
    faith: Float[np.ndarray, " row"] | None = None  # 0 to 1: how well neighbours are preserved
    spread: Float[np.ndarray, "row 3"] | None = None  # xx, xy, yy over refits
    tone: float = TONE  # the place on its group's ramp, where no score is shown
    end: str = ""  # the marker of its end; "": that of its group

    @property
    def sound(self) -> bool:
        return self.outcome == ""

    @property
    def is_faded(self) -> bool:
        return self.faith is not None and bool((self.faith < 0.85).any())

    @property
    def inks(self) -> Float[np.ndarray, " row"]:
        """How much of its colour each point keeps; the rest is white."""
        if self.faith is None:
            return np.ones(len(self.points))
        # Trustworthiness and continuity are about 0.5 where places are drawn by lot.
        share = np.clip((np.nan_to_num(self.faith, nan=1.0) - 0.5) / 0.5, 0, 1)
        return LEAST_INK + (1 - LEAST_INK) * share


def trajectories_of(
    coordinates: pd.DataFrame, groups: Groups, color: str = "", points: Points | None = None
) -> list[Trajectory]:
    """The trajectories of a projection's table; ``points`` take the place of its own."""
    table = coordinates if points is None else coordinates.assign(x=points[:, 0], y=points[:, 1])
    parameters = list(table["parameter"].unique()) if "parameter" in table else []
    path = table.groupby(["network", *(["parameter"] if parameters else [])], sort=False).ngroup()
    order = np.lexsort((table["step"], path))
    table, path = table.iloc[order], path.to_numpy()[order]
    continued = set(table["continues"]) - {""} if "continues" in table else set()
    placed = np.isfinite(table[["x", "y"]].to_numpy(float)).all(axis=1)
    columns = {"points": table[["x", "y"]], "steps": table["step"]}
    if color in table:
        columns["score"] = table[color]
    if points is None and "trust" in table:
        columns["faith"] = table[["trust", "continuity"]].min(axis=1)
    if points is None and "spread_xx" in table:
        columns["spread"] = table[["spread_xx", "spread_xy", "spread_yy"]]
    values = {name: column.to_numpy(float) for name, column in columns.items()}
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    firsts = table.iloc[starts]
    found = []
    for rows, group, (_, first) in zip(
        np.split(np.arange(len(table)), starts[1:]),
        groups.numbers(firsts),
        firsts.iterrows(),
        strict=True,
    ):
        label = parameters.index(first["parameter"]) + 1 if parameters else first.get("pair", "")
        of_rows = {name: of[rows] for name, of in values.items()}
        if "score" in of_rows:
            of_rows |= _interpolated(of_rows["steps"], of_rows.pop("score"))
        found.append(
            Trajectory(
                network=str(first["network"]),
                group=int(group),
                label=str(label),
                outcome=str(first.get("outcome", "") or ""),
                earlier=first["network"] in continued,
                **{name: of[placed[rows]] for name, of in of_rows.items()},
            )
        )
    # Pair after pair, so that no group as a whole lies over the others.
    return sorted(found, key=lambda each: (len(each.label), each.label, each.group))


def _interpolated(
    steps: Float[np.ndarray, " row"], score: Float[np.ndarray, " row"]
) -> dict[str, np.ndarray]:
    """A score at every snapshot, linear over steps between the known ones; none of none.

    Snapshots without a score are usual: few are tested of many that are recorded.
    """
    known = np.isfinite(score)
    if not known.any():
        return {}
    between = np.interp(steps, steps[known], score[known])
    missing = np.isnan(score)
    return {"score": np.where(missing, between, score), "recorded": ~missing}


def score_scale(trajectories: Sequence[Trajectory], key: str) -> ScoreScale | None:
    """The scale over the scores of all networks that none continues."""
    scores = [t.score for t in trajectories if not t.earlier and t.score is not None]
    return ScoreScale.over(key, np.concatenate(scores)) if scores else None


def is_interpolated(trajectories: Sequence[Trajectory]) -> bool:
    """Whether scores that were not recorded are shown, too."""
    ours = [t for t in trajectories if not t.earlier and t.sound and t.recorded is not None]
    return any(not t.recorded.all() for t in ours)


def framed(trajectories: Sequence[Trajectory]) -> Points:
    """The points that the plane shows for certain.

    Networks that failed count with their start; dead ones as a whole unless the others would
    shrink by a sixth. A single network that is far out is left outside, too.
    """
    drawn = [t for t in trajectories if len(t.points)]
    sound = [t.points for t in drawn if t.sound]
    kept = _without_far_ones(sound) + [t.points[:1] for t in drawn if not t.sound]
    if not kept:
        return np.array([[-1.0, -1.0], [1.0, 1.0]])
    inside = np.concatenate(kept)
    dead = [t.points for t in drawn if t.outcome == DEAD]
    together = np.concatenate([inside, *dead])
    return together if _extent(together) <= 1.2 * _extent(inside) or not sound else inside


def _without_far_ones(paths: list[_Path]) -> list[_Path]:
    """The paths without outliers: of four or more one may go, of 20 or more a tenth."""
    may_go = max(len(paths) // 10, 1) if len(paths) >= 4 else 0
    for _ in range(may_go):
        low = np.array([path.min(axis=0) for path in paths])
        high = np.array([path.max(axis=0) for path in paths])
        whole = np.hypot(*(high.max(axis=0) - low.min(axis=0)))
        rest = [
            np.hypot(*(np.delete(high, n, 0).max(axis=0) - np.delete(low, n, 0).min(axis=0)))
            for n in range(len(paths))
        ]
        farthest = int(np.argmin(rest))
        if not 0 < rest[farthest] * FAR < whole:
            break
        paths = paths[:farthest] + paths[farthest + 1 :]
    return paths


def _extent(points: _Path) -> float:
    return float(np.hypot(*np.ptp(points, axis=0)))


def until(trajectory: Trajectory, step: float) -> Trajectory:
    """The part of a trajectory that is over by a step."""
    kept = trajectory.steps <= step
    rows = {name: getattr(trajectory, name) for name in _ROWS}
    return replace(trajectory, **{name: of[kept] for name, of in rows.items() if of is not None})


def can_number(trajectories: Sequence[Trajectory]) -> bool:
    """Whether there are labels, and few enough to be read."""
    labels = {t.label for t in trajectories}
    return "" not in labels and 1 < len(labels) <= MOST_NUMBERED and max(map(len, labels)) <= 2
