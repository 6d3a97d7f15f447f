"""Products of the first layer pixel by pixel, for many networks that see the same mini-batches.

For each pixel there is a list of the images in which it is bright. Making these lists takes as long
as the products of some ten networks; then a pixel's weights stay in registers, and all sums in the
processor's innermost cache. Every sum is added in the order in which ``layers`` adds it.
"""

from functools import cache

import numpy as np

from deep_learning_dynamics.study.kernel.compiler import (
    Function,
    compiled,
    compiled_once,
    fingerprint,
)
from deep_learning_dynamics.study.kernel.layers import ZERO, Images, Numbers
from deep_learning_dynamics.study.kernel.vectors import vectors

WIDTH = 64  # lanes at once; networks that are computed here have a multiple of it
STEPS_AT_ONCE = 20  # whose lists are made together

ACROSS = vectors(WIDTH)
load, store, spread, multiply_add = ACROSS.load, ACROSS.store, ACROSS.spread, ACROSS.multiply_add

# Where entries begin [step, pixel and end]; image in the batch, and number, of each entry.
Lists = tuple[Numbers, Numbers, Numbers]
NO_LISTS: Lists = (np.zeros((0, 0), np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))


def lists_of(images: Images, order: Numbers, batch: int, pixels: int) -> Lists:
    """The lists for each ``batch`` examples of the order."""
    starts = images[0]
    steps, entries = -(-len(order) // batch), int((starts[order + 1] - starts[order]).sum())
    lists = (
        np.zeros((steps, pixels + 1), np.int64),
        np.empty(entries, np.int32),
        np.empty(entries, np.float32),
    )
    _lister()(images, order, batch, *lists)
    return lists


@cache
def _lister() -> Function:
    version = fingerprint()

    def fill(
        images: Images,
        order: Numbers,
        batch: int,
        list_starts: Numbers,
        list_images: Numbers,
        list_values: Numbers,
    ) -> None:
        assert version  # a part of the cache's key
        starts, pixels, brightness, numbers = images
        done = 0
        places = np.empty(list_starts.shape[1], np.int64)
        for step in range(len(list_starts)):
            chosen, own = order[step * batch : (step + 1) * batch], list_starts[step]
            for example in chosen:
                for entry in range(starts[example], starts[example + 1]):
                    own[pixels[entry] + 1] += 1
            own[0] = done
            for pixel in range(1, len(own)):
                own[pixel] += own[pixel - 1]
            done = own[-1]
            places[:] = own
            for image in range(len(chosen)):
                for entry in range(starts[chosen[image]], starts[chosen[image] + 1]):
                    pixel = pixels[entry]
                    place = places[pixel]
                    list_images[place] = image
                    list_values[place] = numbers[brightness[entry]]
                    places[pixel] = place + 1

    return compiled_once(fill)


@compiled
def forward_by_pixel(
    weights: Numbers, lanes: int, lists: Lists, step: int, examples: int, sums: Numbers
) -> None:
    """As ``layers.first_forward``."""
    starts, images, values = lists
    for lane in range(0, lanes, WIDTH):
        for example in range(examples):
            store(sums, example * lanes + lane, spread(ZERO))
        for pixel in range(starts.shape[1] - 1):
            weight = load(weights, pixel * lanes + lane)
            for entry in range(starts[step, pixel], starts[step, pixel + 1]):
                place = np.intp(images[entry]) * lanes + lane
                store(sums, place, multiply_add(spread(values[entry]), weight, load(sums, place)))


@compiled
def gradient_by_pixel(
    errors: Numbers, lanes: int, lists: Lists, step: int, gradients: Numbers
) -> None:
    """As ``layers.first_gradient``."""
    starts, images, values = lists
    for lane in range(0, lanes, WIDTH):
        for pixel in range(starts.shape[1] - 1):
            total = spread(ZERO)
            for entry in range(starts[step, pixel], starts[step, pixel + 1]):
                error = load(errors, np.intp(images[entry]) * lanes + lane)
                total = multiply_add(spread(values[entry]), error, total)
            store(gradients, pixel * lanes + lane, total)
