"""Callbacks that record the trainings of other libraries."""

from pathlib import Path
from typing import Any

from deep_learning_dynamics.store.recorder import Recorder
from deep_learning_dynamics.store.schema import score_name


class Recording:
    """What they have in common: a recorder from the beginning of a training to its end."""

    def __init__(self, path: str | Path, **choices: Any) -> None:
        """
        Args:
            choices: as for :class:`~deep_learning_dynamics.store.Recorder`.
        """
        super().__init__()
        self._path, self._choices = path, choices
        self._recorder: Recorder | None = None
        self._recorded = -1  # the last step
        self._scores: dict[str, Any] = {}  # of the step that is next to be recorded

    def _begin(self, model: Any) -> None:
        self._recorder = Recorder(self._path, model, **self._choices)
        self._recorder.__enter__()
        self._recorded, self._scores = -1, {}

    def _record(self, step: int, *weights: Any) -> None:
        if self._recorder is not None and step > self._recorded:
            scores = {score_name(name): value for name, value in self._scores.items()}
            self._recorded, self._scores = step, {}
            self._recorder(step, *weights, **scores)

    def _end(self, *raised: Any) -> None:
        """
        Args:
            raised: what ended the training early: type, error and traceback.
        """
        if self._recorder is not None:
            self._recorder.__exit__(*(raised or (None, None, None)))
            self._recorder = None
