"""Images as a first layer multiplies them, which is where nearly all the work of training lies.

They are kept as bytes, a quarter of what numbers would take. Four fifths of the pixels of digits
and letters are dark: where all networks see one mini-batch, only the others are multiplied.
"""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int, Int32, UInt8
from torch import Tensor

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BRIGHTEST = 255
# Share of pixels with ink, below which leaving out the dark ones pays. Entry by entry, products run
# at a third to a half of the rate of a dense one.
SPARSE = 0.3
# Units of the first layers of all networks, from which on it is done in training. Leaving pixels
# out adds up in another order, and where a learning rate is large, as the default is, training
# makes another outcome of another rounding. What small experiments would gain is not worth that.
MANY_UNITS = 160


@dataclass(frozen=True)
class Entries:
    """A sparse matrix, row by row: what is not zero, and in which column."""

    columns: Int32[Tensor, " entry"]
    values: Float[Tensor, " entry"]
    starts: Int32[Tensor, " row"]  # where each row's entries begin

    def times(self, matrix: Float[Tensor, "column unit"]) -> Float[Tensor, "row unit"]:
        """The product with a dense matrix, whose rows lie contiguous.

        To torch it is a bag of weighted embeddings for each row. Its code for that is twice as
        fast as its product of a sparse with a dense matrix.
        """
        if len(self.columns) == 0:
            return matrix.new_zeros(len(self.starts), matrix.shape[1])
        return torch.nn.functional.embedding_bag(
            self.columns, matrix, self.starts, mode="sum", per_sample_weights=self.values
        )


class Dense:
    """A mini-batch as plain numbers: the same for all networks, or one for each."""

    def __init__(self, images: Float[Tensor, "*network example pixel"]) -> None:
        self._images = images
        self.examples = images.shape[-2]

    def product(
        self, weights: Float[Tensor, "network unit pixel"]
    ) -> Float[Tensor, "network unit example"]:
        """What each unit of each network receives from the pixels."""
        if self._images.dim() == 3:
            return torch.bmm(weights, self._images.mT)
        product = torch.mm(weights.flatten(0, 1), self._images.T)
        return product.view(*weights.shape[:2], self.examples)

    def gradient(
        self, error: Float[Tensor, "network unit example"]
    ) -> Float[Tensor, "network unit pixel"]:
        """That of the weights, from that of :meth:`product`."""
        if self._images.dim() == 3:
            return torch.bmm(error, self._images)
        gradient = torch.mm(error.flatten(0, 1), self._images)
        return gradient.view(*error.shape[:2], self._images.shape[1])


class Sparse:
    """A mini-batch for all networks, of which only pixels with ink are multiplied.

    Weights should be stored pixel by pixel, as :class:`Ensemble` does with ``by_pixel``.
    """

    def __init__(self, by_example: Entries, by_pixel: Entries | None = None) -> None:
        self._by_example, self._by_pixel = by_example, by_pixel
        self.examples = len(by_example.starts)

    def product(
        self, weights: Float[Tensor, "network unit pixel"]
    ) -> Float[Tensor, "network unit example"]:
        product = self._by_example.times(weights.flatten(0, 1).T.contiguous())
        return product.T.contiguous().view(*weights.shape[:2], self.examples)

    def gradient(
        self, error: Float[Tensor, "network unit example"]
    ) -> Float[Tensor, "network unit pixel"]:
        assert self._by_pixel is not None, "this mini-batch is for looking only"
        gradient = self._by_pixel.times(error.flatten(0, 1).T.contiguous())
        return gradient.view(len(gradient), *error.shape[:2]).permute(1, 2, 0)


class Own:
    """A mini-batch for each network, gathered as bytes one network after the other.

    So what is multiplied still lies in the processor's cache.
    """

    def __init__(
        self, images: UInt8[Tensor, "all pixel"], chosen: Int[Tensor, "network example"]
    ) -> None:
        self._images, self._chosen = images, chosen
        self.examples = chosen.shape[1]

    def of(self, networks: slice) -> "Own":
        """Those of some networks."""
        return Own(self._images, self._chosen[networks])

    @cached_property
    def _gathered(self) -> UInt8[Tensor, "network example pixel"]:
        gathered = torch.index_select(self._images, 0, self._chosen.flatten())
        return gathered.view(*self._chosen.shape, -1)

    def _numbers(self) -> Iterator[Float[Tensor, "example pixel"]]:
        numbers = torch.empty(self._gathered.shape[1:])
        for images in self._gathered:
            yield numbers.copy_(images)

    def product(
        self, weights: Float[Tensor, "network unit pixel"]
    ) -> Float[Tensor, "network unit example"]:
        product = weights.new_empty(*weights.shape[:2], self.examples)
        for images, matrix, out in zip(self._numbers(), weights / BRIGHTEST, product, strict=True):
            torch.mm(matrix, images.T, out=out)
        return product

    def gradient(
        self, error: Float[Tensor, "network unit example"]
    ) -> Float[Tensor, "network unit pixel"]:
        gradient = error.new_empty(*error.shape[:2], self._images.shape[1])
        for images, matrix, out in zip(self._numbers(), error / BRIGHTEST, gradient, strict=True):
            torch.mm(matrix, images, out=out)
        return gradient


Batch = Dense | Sparse | Own


@dataclass(frozen=True, eq=False)
class Images:
    """Images of a dataset, from which mini-batches are taken."""

    brightness: UInt8[Tensor, "example pixel"]  # 0 to BRIGHTEST; networks see 0 to 1

    def __len__(self) -> int:
        return len(self.brightness)

    @property
    def shape(self) -> tuple[int, int]:
        """Examples and pixels."""
        return tuple(self.brightness.shape)

    @property
    def pixels(self) -> int:
        return self.brightness.shape[1]

    @property
    def device(self) -> torch.device:
        return self.brightness.device

    @cached_property
    def is_sparse(self) -> bool:
        """Whether leaving out dark pixels pays: not on a GPU, nor where torch has no kernel."""
        if self.device.type != "cpu" or platform.machine().lower() not in ("x86_64", "amd64"):
            return False
        inked = int(np.count_nonzero(self.brightness.numpy()))
        return inked < SPARSE * self.brightness.numel()

    def numbers(self, chosen: Int[Tensor, "*network example"] | slice) -> Tensor:
        """Some images as numbers from 0 to 1, [*network, example, pixel]."""
        if isinstance(chosen, slice):
            return self.brightness[chosen].float().div_(BRIGHTEST)
        # index_select copies whole rows: twice as fast as indexing, which goes by elements.
        images = torch.index_select(self.brightness, 0, chosen.flatten())
        return images.view(*chosen.shape, -1).float().div_(BRIGHTEST)

    def span(self, examples: slice) -> Batch:
        """Neighbouring examples, to be looked at by all networks (there is no gradient)."""
        if self.is_sparse:
            (entries,) = _cut(self._inked[examples], 1)
            return Sparse(entries)
        return Dense(self.numbers(examples))

    def sparse_for(self, units: int) -> bool:
        """Whether so many units are trained without the dark pixels."""
        return units >= MANY_UNITS and self.is_sparse

    def shared(self, chosen: Int[Tensor, "batch example"], units: int) -> list[Batch]:
        """Mini-batches of one size, each the same for all networks; these have so many units."""
        if not self.sparse_for(units):
            return [Dense(self.numbers(batch)) for batch in chosen]
        by_example = self._inked[chosen.flatten().numpy()]
        by_pixel = _transposed(by_example, len(chosen))
        return [
            Sparse(*entries)
            for entries in zip(
                _cut(by_example, len(chosen)), _cut(by_pixel, len(chosen)), strict=True
            )
        ]

    def own(self, chosen: Int[Tensor, "network example"]) -> Batch:
        """A mini-batch for each network."""
        if self.device.type == "cpu":
            return Own(self.brightness, chosen)
        return Dense(self.numbers(chosen))

    @cached_property
    def _inked(self) -> "csr_array":
        """The pixels that are not dark, example by example."""
        from scipy.sparse import csr_array

        brightness = self.brightness.numpy()
        inked = brightness != 0
        pixels = np.arange(self.pixels, dtype=np.int32)
        return csr_array(
            (
                brightness[inked] / np.float32(BRIGHTEST),
                np.broadcast_to(pixels, brightness.shape)[inked],
                np.concatenate([[0], np.cumsum(inked.sum(1))]).astype(np.int32),
            ),
            shape=brightness.shape,
        )


def _transposed(matrix: "csr_array", batches: int) -> "csr_array":
    """Each of some matrices that lie one below the other, turned; again one below the other."""
    from scipy.sparse import csr_array

    (rows, width), ends = matrix.shape, matrix.indptr[:: matrix.shape[0] // batches]
    offsets = np.repeat(width * np.arange(batches, dtype=np.int32), np.diff(ends))
    beside = csr_array(
        (matrix.data, matrix.indices + offsets, matrix.indptr), shape=(rows, width * batches)
    )
    turned = beside.tocsc()
    offsets = np.repeat(rows // batches * np.arange(batches, dtype=np.int32), np.diff(ends))
    return csr_array(
        (turned.data, turned.indices - offsets, turned.indptr),
        shape=(width * batches, rows // batches),
    )


def _cut(matrix: "csr_array", batches: int) -> list[Entries]:
    """The entries of some matrices that lie one below the other."""
    columns, values = torch.from_numpy(matrix.indices), torch.from_numpy(matrix.data)
    rows = matrix.shape[0] // batches
    parts = []
    for first in range(0, matrix.shape[0], rows):
        ends = matrix.indptr[first : first + rows + 1]
        entries = slice(ends[0], ends[-1])
        parts.append(
            Entries(columns[entries], values[entries], torch.from_numpy(ends[:-1] - ends[0]))
        )
    return parts
