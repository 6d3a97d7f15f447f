"""Hugging Face: ``Trainer(..., callbacks=[RecordTrajectory("runs/adam-0.zarr", seed=0)])``."""

from typing import Any

from transformers import TrainerCallback

from deep_learning_dynamics.store.callbacks import Recording
from deep_learning_dynamics.store.collecting.scores_files import trainer_scores


class RecordTrajectory(Recording, TrainerCallback):
    """Records the weights that a model has before each step, and those it ends with.

    Scores are what the trainer logs (loss, eval_loss, ...) at that step; where it logs nothing,
    they are not known. With ``logging_steps=1`` they always are. Learning rates, norms of gradients
    and speeds are no scores.
    """

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **others: Any
    ) -> None:
        self._begin(model)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **others: Any
    ) -> None:
        self._scores |= trainer_scores(logs or {})

    def on_step_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self._record(state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        self._record(state.global_step)
        self._end()
