"""Many networks of one architecture that train together: the way into the kernel from Python."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float32, Float64, Int, UInt8

from deep_learning_dynamics.environment import cores
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.study.activations import ACTIVATIONS
from deep_learning_dynamics.study.kernel.architecture import Architecture
from deep_learning_dynamics.study.kernel.blocks import Block, split
from deep_learning_dynamics.study.kernel.elementwise import slope_of, update_of, value_of
from deep_learning_dynamics.study.kernel.images import BrightPixels
from deep_learning_dynamics.study.kernel.steps import evaluator, trainer
from deep_learning_dynamics.study.optimisers import OPTIMISERS, Optimisation

EXAMPLES_AT_ONCE = 256  # when predicting: activations of that many stay in the processor's cache


class PortableEnsemble:
    """Networks of one architecture with cross-entropy loss.

    What becomes of a network depends on its own start, batches and labels alone, to the last bit.
    """

    def __init__(
        self,
        architecture: Architecture,
        weights: Float32[np.ndarray, "network weight"],
        optimisation: Optimisation,
        groups: Sequence[int] | None = None,
        threads: int | None = None,
    ) -> None:
        """
        Args:
            groups: of each network; those of group g see the mini-batches of ``orders[g]``.
                Not given: all networks are of group 0.
            threads: how many may be used; not given: as many as this process has cores.
        """
        self.architecture = architecture
        self._activation = ACTIVATIONS[architecture.activation]
        self._rule, self._optimisation = OPTIMISERS[optimisation.optimiser], optimisation
        self._threads = cores() if threads is None else threads
        self._step = 0
        self._widths = np.array(architecture.widths, np.int64)
        self._groups = np.zeros(len(weights), np.int64) if groups is None else np.array(groups)
        if len(self._groups) != len(weights) or self._groups.min(initial=0) < 0:
            raise ParamsError(
                f"groups are {self._groups.tolist()} for {len(weights)} networks; expected a "
                "number from 0 for each network."
            )
        self._blocks = [
            Block.of(architecture, weights, networks, group, self._rule.states)
            for group, networks in split(self._groups, architecture.widths[1], self._threads)
        ]

    def __len__(self) -> int:
        return len(self._groups)

    def train(
        self,
        images: UInt8[np.ndarray, "example pixel"],
        labels: Int[np.ndarray, "*network example"],
        orders: Int[np.ndarray, "group position"],
        batch_size: int,
    ) -> None:
        """Take one step for every ``batch_size`` examples of the orders, in their order.

        Args:
            images: brightness from 0 to 255, which networks see as 0 to 1. What is derived from
                the array is remembered while it lives, so do not change it.
            labels: from 0; of each example, or of each network and example.
            orders: which examples the networks of each group see. The last batch may be smaller.
        """
        bright, order = self._checked(images, labels, orders)
        if len(order) <= self._groups.max(initial=-1):
            raise ParamsError(
                f"there are orders for {len(order)} groups; expected {self._groups.max() + 1}."
            )
        steps = -(-order.shape[1] // batch_size)
        constants = np.array(
            [
                self._rule.constants(self._optimisation.learning_rate, self._step + step)
                for step in range(1, steps + 1)
            ],
            np.float32,
        ).reshape(-1, 2)
        targets = np.ascontiguousarray(np.atleast_2d(labels), np.int64)
        rows = np.arange(len(self)) if labels.ndim == 2 else np.zeros(len(self), np.int64)
        functions = (
            value_of(self._activation),
            slope_of(self._activation),
            update_of(self._rule),
        )
        train, decay = trainer(), np.float32(self._optimisation.weight_decay)

        def advance(block: Block) -> None:
            train(
                block.first, block.rest, self._widths, bright.arrays, targets,
                rows[block.networks], order[block.group], batch_size, constants, decay, *functions,
            )  # fmt: skip

        self._each(advance)
        self._step += steps

    def weights(self) -> Float32[np.ndarray, "network weight"]:
        """A copy of every network's weight vector."""
        weights = np.empty((len(self), self.architecture.size), np.float32)
        for block in self._blocks:
            weights[block.networks] = block.weights(self.architecture)
        return _with_one_nan(weights)

    def scores(
        self, images: UInt8[np.ndarray, "example pixel"], labels: Int[np.ndarray, " example"]
    ) -> tuple[Float64[np.ndarray, " network"], Float64[np.ndarray, " network"]]:
        """Mean cross-entropy in nats and the share of correct predictions, of each network.

        A network that diverged predicts the first class: it has no largest probability.
        """
        losses, correct, _ = self._evaluate(images, labels, outputs=False)
        return _with_one_nan(losses / len(labels)), correct / len(labels)

    def outputs(
        self, images: UInt8[np.ndarray, "example pixel"]
    ) -> Float32[np.ndarray, "network example class"]:
        """What each network predicts: probabilities of the classes."""
        _, _, found = self._evaluate(images, np.zeros(len(images), np.int64), outputs=True)
        return _with_one_nan(found)

    def _evaluate(
        self,
        images: UInt8[np.ndarray, "example pixel"],
        labels: Int[np.ndarray, " example"],
        outputs: bool,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        order = np.arange(len(images))
        bright, _ = self._checked(images, labels, order[None])
        losses, correct = np.zeros(len(self)), np.zeros(len(self))
        examples = len(images) if outputs else 0
        found = np.zeros((len(self), examples, self.architecture.classes), np.float32)
        targets, value, evaluate = labels.astype(np.int64), value_of(self._activation), evaluator()

        def predict(block: Block) -> None:
            here = block.networks
            own = losses[here], correct[here], found[here]
            evaluate(
                block.first[0], block.rest[0], self._widths, bright.arrays, targets, order,
                EXAMPLES_AT_ONCE, value, *own,
            )  # fmt: skip
            losses[here], correct[here], found[here] = own

        self._each(predict)
        return losses, correct, found

    def _each(self, work: Callable[[Block], None]) -> None:
        """Do it for all blocks, each on one thread."""
        if min(self._threads, len(self._blocks)) < 2:
            for block in self._blocks:
                work(block)
            return
        with ThreadPoolExecutor(min(self._threads, len(self._blocks))) as threads:
            list(threads.map(work, self._blocks))

    def _checked(
        self, images: np.ndarray, labels: np.ndarray, orders: np.ndarray
    ) -> tuple[BrightPixels, Int[np.ndarray, "group position"]]:
        """Refuse what compiled code would read beyond an array's end for."""
        pixels, classes = self.architecture.widths[0], self.architecture.classes
        if images.shape[1] != pixels:
            raise ParamsError(f"images have {images.shape[1]} pixels; expected {pixels}.")
        if labels.shape[-1] != len(images) or (labels.ndim == 2 and len(labels) != len(self)):
            raise ParamsError(
                f"labels are {labels.shape} for {len(self)} networks and {len(images)} images; "
                "expected a label for each image, or for each network and image."
            )
        for name, numbers, end in (("labels", labels, classes), ("orders", orders, len(images))):
            if numbers.size and not (numbers.min() >= 0 and numbers.max() < end):
                raise ParamsError(
                    f"{name} run from {numbers.min()} to {numbers.max()}; expected whole numbers "
                    f"from 0 to {end - 1}."
                )
        return BrightPixels.of(images), np.ascontiguousarray(orders, np.int64)


def _with_one_nan(numbers: np.ndarray) -> np.ndarray:
    """The numbers with all NaN in one bit pattern, as processors make different ones."""
    numbers[np.isnan(numbers)] = np.nan
    return numbers
