"""Lightning: ``Trainer(callbacks=[RecordTrajectory("runs/adam-0.zarr", seed=0)])``."""

from pathlib import Path
from typing import Any

try:
    from lightning.pytorch import Callback
except ImportError:  # the older name of the package
    from pytorch_lightning import Callback

from deep_learning_dynamics.store.recorder import Recorder
from deep_learning_dynamics.store.schema import score_name


class RecordTrajectory(Callback):
    """Records the weights that a Lightning module has before each step, and those it ends with.

    Scores are what the module logs: those of a step or of a validation belong to the weights after
    that step, so they are kept with them and not with later ones.
    """

    def __init__(self, path: str | Path, **choices: Any) -> None:
        """
        Args:
            choices: as for :class:`~deep_learning_dynamics.store.Recorder`.
        """
        self._path, self._choices = path, choices
        self._recorder: Recorder | None = None
        self._recorded = -1
        self._known: dict[str, Any] = {}  # metrics at the step recorded last

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        model = trainer.strategy.model  # as it is trained: wrapped for several processes
        model = pl_module if model is None else model
        self._recorder = Recorder(self._path, model, **self._choices)
        self._recorder.__enter__()
        self._recorded, self._known = -1, dict(trainer.callback_metrics)

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        self._record(trainer)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        if self._recorder is not None:
            self._record(trainer)
            self._recorder.close()
            self._recorder = None

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        if self._recorder is not None:
            self._recorder.__exit__(type(exception), exception, exception.__traceback__)
            self._recorder = None

    def _record(self, trainer: Any) -> None:
        step = trainer.global_step
        if self._recorder is None or step <= self._recorded:  # gradients are being accumulated
            return
        self._recorded = step
        metrics = dict(trainer.callback_metrics)
        # A metric that was logged since then is another tensor.
        fresh = {
            score_name(name): value
            for name, value in metrics.items()
            if self._known.get(name) is not value
        }
        self._known = metrics
        self._recorder(step, **fresh)
