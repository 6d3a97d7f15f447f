"""Mini-batches: in which order, made some steps at a time and ahead of their use."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

from deep_learning_dynamics import seeds
from deep_learning_dynamics.images import Batch, Images
from deep_learning_dynamics.params import Pretrain

AT_ONCE = 10  # mini-batches that are made together

# What networks see in a step: images, and labels [*network, example]. Steps differ in examples.
Step = tuple[Batch, Int[Tensor, "..."]]
Item = TypeVar("Item")


def batches(
    name: str,
    images: Images,
    labels: Int[Tensor, " example"],
    pairs: Sequence[int],
    settings: Pretrain,
    seed: int,
    units: int,
) -> Iterator[list[Step]]:
    """Mini-batches of images and labels, epoch after epoch, each epoch in a new random order.

    Args:
        name: of the dataset, from which and ``seed`` the orders derive.
        pairs: that of each network; networks of one pair see the same mini-batches.
        units: of the first layers of all networks.
    """
    examples, size = len(labels), settings.batch_size
    for epoch in range(settings.epochs):

        def order(*of: str | int, epoch: int = epoch) -> Tensor:
            rng = seeds.generator(seed, "batch order", name, epoch, *of)
            return torch.from_numpy(rng.permutation(examples)).to(images.device)

        if settings.batch_order == "shared" or not pairs:
            for some in order().split(size * AT_ONCE):
                # As scikit-learn: the last batch of an epoch may be smaller.
                full = len(some) // size * size
                for chosen in (some[:full].view(-1, size), some[full:].view(1, -1)):
                    if chosen.numel():
                        yield list(zip(images.shared(chosen, units), labels[chosen], strict=True))
        else:
            by_pair = {pair: order("pair", pair) for pair in pairs}
            orders = torch.stack([by_pair[pair] for pair in pairs])
            for some in orders.split(size * AT_ONCE, dim=1):
                yield [(images.own(chosen), labels[chosen]) for chosen in some.split(size, dim=1)]


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items; while one is used, another thread makes the next."""
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = maker.submit(next, items, None)
            yield item
