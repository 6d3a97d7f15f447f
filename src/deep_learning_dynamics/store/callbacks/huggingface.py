"""Hugging Face: ``Trainer(..., callbacks=[RecordTrajectory("runs/adam-0.zarr", seed=0)])``."""

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from deep_learning_dynamics.store.collecting.scores_files import trainer_scores
from deep_learning_dynamics.store.recorder import Recorder


class RecordTrajectory(TrainerCallback):
    """Records the weights that a model has before each step, and those it ends with.

    Scores are what the trainer logs (loss, eval_loss, ...) at that step; where it logs nothing,
    they are not known. With ``logging_steps=1`` they always are. Learning rates, norms of gradients
    and speeds are no scores.
    """

    def __init__(self, path: str | Path, **choices: Any) -> None:
        """
        Args:
            choices: as for :class:`~deep_learning_dynamics.store.Recorder`.
        """
        self._path, self._choices = path, choices
        self._recorder: Recorder | None = None
        self._recorded = -1
        self._logged: dict[str, float] = {}  # at the step that is next to be recorded

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **others: Any
    ) -> None:
        self._recorder = Recorder(self._path, model, **self._choices)
        self._recorder.__enter__()
        self._recorded, self._logged = -1, {}

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **others: Any
    ) -> None:
        self._logged |= trainer_scores(logs or {})

    def on_step_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self._record(state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        if self._recorder is not None:
            self._record(state.global_step)
            self._recorder.close()
            self._recorder = None

    def _record(self, step: int) -> None:
        if self._recorder is not None and step > self._recorded:
            self._recorded = step
            scores, self._logged = self._logged, {}
            self._recorder(step, **scores)
