"""Rows: self-organising maps of weight vectors."""

import contextlib
import io
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from benchmarks import inputs
from benchmarks.result import Line
from benchmarks.rows import Effort
from benchmarks.timing import Contender, Times, interleaved
from deep_learning_dynamics.projection.isometry import Isometry
from deep_learning_dynamics.projection.som import SelfOrganisingMap

UPDATES = 10_000
SEGMENTS = 3  # a long training of minisom is timed in so many parts


def setting_of_2020(effort: Effort) -> list[Line]:
    rows = _rows_of_2020(effort)
    updates = effort.pick(3, 1)
    contenders = {
        "ours": Contender(lambda: _fit(rows), warm_up=lambda: _fit(rows, 100)),
        "SimpSOM": Contender(
            _simpsom(rows, updates),
            extrapolated=UPDATES / updates,
            basis=_updates(updates),
        ),
    }
    times = interleaved(contenders, effort.seconds, at_most=effort.pick(3, 1))
    return [
        Line.faster(
            "SOM, 2020 setting",
            f"{_shape(rows)}, 20×20 hexagonal, {UPDATES:,} updates",
            "SimpSOM 1.3.4",
            times["ours"],
            times["SimpSOM"],
            reach=10_000,
            limit="the cost of SimpSOM is linear in updates",
            note="ours includes the isometry and the best-matching units",
        )
    ]


def identical(effort: Effort) -> list[Line]:
    """The same map as minisom makes of the raw weights; it is checked here."""
    rows = _rows_of_2020(effort)
    # Quick: only the maps of a shorter training are compared, and the times of theirs extrapolated.
    compared = effort.pick(UPDATES, 300)
    row = "SOM, minisom"
    work = f"{_shape(rows)}, 20×20 hexagonal, {UPDATES:,} updates, the same start and order"
    against = "minisom 2.3.6 on raw weights"
    reduced, raw = _Segments.on_reduction(rows, compared), _Segments.on_raw(rows, compared)
    contenders = {
        "ours": Contender(lambda: _fit(rows), warm_up=lambda: _fit(rows, 100)),
        "reduced": reduced.contender(),
        "raw": raw.contender(),
    }
    times = interleaved(contenders, effort.seconds, at_least=SEGMENTS, at_most=SEGMENTS)
    expected = raw.best_matching_units()
    different = {
        "ours": int((_fit(rows, compared).units != expected).sum()),
        "minisom on the reduction": int((reduced.best_matching_units() != expected).sum()),
    }
    if any(different.values()):
        found = ", ".join(f"{name}: {count}" for name, count in different.items())
        problem = f"of {len(rows)} best-matching units differ {found}"
        return [Line(row, work, against, problem=problem, failed=True)]
    return [
        Line.faster(
            row,
            work,
            against,
            times["ours"],
            times["raw"],
            reach=100,
            limit=f"minisom's training was timed in {SEGMENTS} equal parts",
            note=f"all {len(rows)} best-matching units are identical after {compared:,} updates; "
            f"minisom itself on the isometry's vectors: {times['reduced'].median:.1f} s",
        )
    ]


def large(effort: Effort) -> list[Line]:
    networks = effort.pick(40, 10)
    rows = inputs.trained_weights(networks, 50, 30)
    updates = effort.pick(100, 30)
    ours = _fit(rows)
    part = _Segments.on_raw(rows, UPDATES, part=updates)
    batch = _BatchMap(rows)
    reached = batch.reach(ours.error, effort.seconds / 3)
    contenders = {
        "ours": Contender(lambda: _fit(rows)),
        "minisom": part.contender(),
        "xpysom": Contender(batch.train),
    }
    times = interleaved(contenders, effort.seconds / 2, at_most=effort.pick(3, 1))
    work = f"{_shape(rows)}, 20×20 hexagonal, to a quantisation error of {ours.error:.4g}"
    xpysom = times["xpysom"]
    if reached > ours.error:
        xpysom = Times(xpysom.seconds, at_least=True)
    return [
        Line.faster(
            "SOM, large",
            work,
            "minisom on raw weights",
            times["ours"],
            times["minisom"],
            reach=50,
            note=f"both {UPDATES:,} updates, which give the same map",
        ),
        Line.faster(
            "SOM, large",
            work,
            "xpysom on raw weights",
            times["ours"],
            xpysom,
            reach=50,
            note=f"batch training, {batch.epochs} epochs to {reached:.4g} in float32",
        ),
    ]


@dataclass(frozen=True)
class Fitted:
    """A map that was trained on the reduction of some rows."""

    units: Int[np.ndarray, " row"]  # best-matching
    error: float  # of quantisation


def _fit(rows: Float[np.ndarray, "row weight"], updates: int = UPDATES) -> Fitted:
    vectors = Isometry().fit_transform(rows)
    som = _som(updates).fit(vectors)
    return Fitted(som.best_matching_units(vectors)[:, 0], som.quantisation_error(vectors))


def _som(updates: int) -> SelfOrganisingMap:
    return SelfOrganisingMap(20, 20, updates, learning_rate=0.5, radius=10.0, random_state=0)


class _Segments:
    """minisom's own training, part by part: a part each time that it is run."""

    def __init__(self, som: Any, rows: np.ndarray, updates: int, part: int) -> None:
        from minisom import _build_iteration_indexes

        self._som, self._rows, self._updates, self._part = som, rows, updates, part
        self._order = _build_iteration_indexes(len(rows), updates, False, som._random_generator)
        self._done = 0

    @classmethod
    def on_reduction(cls, rows: Float[np.ndarray, "row weight"], updates: int) -> "_Segments":
        vectors = Isometry().fit_transform(rows)
        return cls(_som(updates).minisom(vectors), vectors, updates, -(-updates // SEGMENTS))

    @classmethod
    def on_raw(
        cls, rows: Float[np.ndarray, "row weight"], updates: int, part: int | None = None
    ) -> "_Segments":
        """On the weights as they are, with the start and the order that ours has."""
        from minisom import MiniSom

        isometry = Isometry()
        ours = _som(updates).minisom(isometry.fit_transform(rows))
        start = ours.get_weights()
        som = MiniSom(
            *start.shape[:2],
            rows.shape[1],
            sigma=ours._sigma,
            learning_rate=ours._learning_rate,
            decay_function="linear_decay_to_zero",
            sigma_decay_function="linear_decay_to_one",
            topology="hexagonal",
        )
        codebook = isometry.inverse_transform(start.reshape(-1, start.shape[2]))
        som._weights = codebook.reshape(*start.shape[:2], -1)
        # Both drew numbers for a codebook that is not used, but not equally many.
        som._random_generator = ours._random_generator
        return cls(som, rows, updates, part or -(-updates // SEGMENTS))

    def contender(self) -> Contender:
        whole = self._updates == UPDATES and self._part * SEGMENTS >= UPDATES
        basis = "" if whole else _updates(self._part)
        return Contender(self, extrapolated=UPDATES / self._part, basis=basis)

    def __call__(self) -> None:
        """What ``MiniSom.train_random`` does, for the next updates."""
        som = self._som
        stop = min(self._done + self._part, self._updates)
        for step in range(self._done, stop):
            row = self._rows[self._order[step]]
            som.update(row, som.winner(row), step, self._updates)
        self._done = stop

    def best_matching_units(self) -> Int[np.ndarray, " row"]:
        found = [self._som.winner(row) for row in self._rows]
        return np.ravel_multi_index(np.transpose(found), self._som._weights.shape[:2])


def _simpsom(rows: Float[np.ndarray, "row weight"], updates: int) -> Any:
    """SimpSOM's training of so many updates."""
    if not hasattr(np, "float"):
        np.float = float  # numpy 2 has dropped the name; SimpSOM 1.3.4 still uses it
    with contextlib.redirect_stdout(io.StringIO()):
        import SimpSOM

        som = SimpSOM.somNet(20, 20, rows)

    def train() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            som.train(startLearnRate=0.01, epochs=updates)

    return train


class _BatchMap:
    """xpysom's batch training of the raw weights, from the start that ours has."""

    def __init__(self, rows: Float[np.ndarray, "row weight"]) -> None:
        isometry = Isometry()
        start = _som(UPDATES).minisom(isometry.fit_transform(rows)).get_weights()
        self._start = isometry.inverse_transform(start.reshape(-1, start.shape[2]))
        self._rows = rows.astype(np.float32)  # in which it computes
        self.epochs = 0

    def train(self) -> float:
        """Train from the start for ``epochs`` epochs; the quantisation error."""
        with contextlib.redirect_stdout(io.StringIO()):  # it prints that there is no GPU
            from xpysom import XPySom

        som = XPySom(
            20,
            20,
            self._rows.shape[1],
            sigma=10,
            sigmaN=1,
            decay_function="linear",
            topology="hexagonal",
            std_coeff=1,  # then its Gaussian is minisom's
            random_seed=0,
            xp=np,
        )
        som._weights = self._start.reshape(20, 20, -1).astype(np.float32)
        som.train(self._rows, self.epochs)
        return float(som.quantization_error(self._rows))

    def reach(self, error: float, seconds: float) -> float:
        """Find how many epochs it needs, doubling them; the error that it came to."""
        start, self.epochs, found = time.perf_counter(), 5, np.inf
        while True:
            before = time.perf_counter()
            found = self.train()
            now = time.perf_counter()
            # The next attempt takes twice as long as this one.
            if found <= error or now - start + 2 * (now - before) > seconds:
                return found
            self.epochs *= 2


def _rows_of_2020(effort: Effort) -> Float[np.ndarray, "row weight"]:
    # 5 networks, 30 epochs, as the script of 2020; when quick, shorter ways between snapshots.
    return inputs.trained_weights(5, 30, effort.pick(300, 60))


def _shape(rows: Float[np.ndarray, "row weight"]) -> str:
    return f"{len(rows):,} snapshots × {rows.shape[1]:,} weights"


def _updates(count: int) -> str:
    return "1 update" if count == 1 else f"{count:,} updates"
