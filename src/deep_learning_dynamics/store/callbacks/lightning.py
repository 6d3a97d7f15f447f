"""Lightning: ``Trainer(callbacks=[RecordTrajectory("runs/adam-0.zarr", seed=0)])``."""

from typing import Any

try:
    from lightning.pytorch import Callback
except ImportError:  # the older name of the package
    from pytorch_lightning import Callback

from deep_learning_dynamics.store.callbacks import Recording


class RecordTrajectory(Recording, Callback):
    """Records the weights that a Lightning module has before each step, and those it ends with.

    Scores are what the module logs: those of a step or of a validation belong to the weights after
    that step, so they are kept with them and not with later ones.
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        model = trainer.strategy.model  # as it is trained: wrapped for several processes
        self._begin(pl_module if model is None else model)
        self._known = dict(trainer.callback_metrics)  # metrics at the step recorded last

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        self._record_metrics(trainer)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._record_metrics(trainer)
        self._end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._end(type(exception), exception, exception.__traceback__)

    def _record_metrics(self, trainer: Any) -> None:
        if trainer.global_step > self._recorded:  # else gradients are being accumulated
            before, self._known = self._known, dict(trainer.callback_metrics)
            # A metric that was logged since then is another tensor.
            self._scores = {
                name: value for name, value in self._known.items() if before.get(name) is not value
            }
            self._record(trainer.global_step)
