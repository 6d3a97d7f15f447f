"""Keras 3, on any backend: ``model.fit(..., callbacks=[RecordTrajectory("runs/adam-0.zarr")])``."""

from typing import Any

import keras

from deep_learning_dynamics.store.callbacks import Recording


class RecordTrajectory(Recording, keras.callbacks.Callback):
    """Records a model's trainable weights before the first batch and after each.

    Scores are what Keras logs of a batch (loss and metrics, means over the epoch so far), and after
    an epoch also those of the validation. Batches are counted over all epochs of a ``fit``.
    ``outputs`` is a function, such as ``lambda weights: model.predict_on_batch(probes)``.
    """

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._begin(self._weights())
        self._step = 0

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._record(self._step, self._weights())

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._step += 1
        self._scores = dict(logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._scores |= logs or {}

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self._record(self._step, self._weights())
        self._end()

    def _weights(self) -> dict[str, Any]:
        """Trainable weights by their paths, as arrays of the backend."""
        if hasattr(self.model, "jax_state_sync"):  # with JAX they lag behind the training
            self.model.jax_state_sync()
        return {variable.path: variable.value for variable in self.model.trainable_variables}
