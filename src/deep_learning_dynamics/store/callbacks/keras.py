"""Keras 3, on any backend: ``model.fit(..., callbacks=[RecordTrajectory("runs/adam-0.zarr")])``."""

from pathlib import Path
from typing import Any

import keras

from deep_learning_dynamics.store.recorder import Recorder
from deep_learning_dynamics.store.schema import score_name


class RecordTrajectory(keras.callbacks.Callback):
    """Records a model's trainable weights before the first batch and after each.

    Scores are what Keras logs of a batch (loss and metrics, means over the epoch so far), and after
    an epoch also those of the validation. Batches are counted over all epochs of a ``fit``.
    """

    def __init__(self, path: str | Path, **choices: Any) -> None:
        """
        Args:
            choices: as for :class:`~deep_learning_dynamics.store.Recorder`; ``outputs`` is a
                function, such as ``lambda weights: model.predict_on_batch(probes)``.
        """
        super().__init__()
        self._path, self._choices = path, choices
        self._recorder: Recorder | None = None
        self._step = 0
        self._waiting: dict[str, float] | None = None  # scores of the step to be recorded next

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._recorder = Recorder(self._path, self._weights(), **self._choices)
        self._recorder.__enter__()
        self._step, self._waiting = 0, {}

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._record()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._step += 1
        self._waiting = dict(logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self._waiting is not None:
            self._waiting |= logs or {}

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self._recorder is not None:
            self._record()
            self._recorder.close()
            self._recorder = None

    def _record(self) -> None:
        if self._recorder is not None and self._waiting is not None:
            scores, self._waiting = self._waiting, None
            named = {score_name(name): value for name, value in scores.items()}
            self._recorder(self._step, self._weights(), **named)

    def _weights(self) -> dict[str, Any]:
        """Trainable weights by their paths, as arrays of the backend."""
        if hasattr(self.model, "jax_state_sync"):  # with JAX they lag behind the training
            self.model.jax_state_sync()
        return {variable.path: variable.value for variable in self.model.trainable_variables}
