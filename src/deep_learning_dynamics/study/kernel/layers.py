"""Products of layers in a fixed order, forward and backward.

The first layer, where most of the work lies, sees images: sums run over an image's bright pixels in
order, for the units of all networks of a block at once (``lanes``). Dark pixels would add zero, so
leaving them out changes no bit. All other layers are computed network by network, for the examples
of a mini-batch at once: activations are [unit, example], with examples padded to whole vectors.
"""

from typing import Any

import numpy as np

from deep_learning_dynamics.study.kernel.compiler import compiled
from deep_learning_dynamics.study.kernel.vectors import element, prefetch, vectors

# The first layer's units of all networks are padded to a multiple of LANES. Fewer would not be
# faster: the time goes into finding pixels.
LANES = 32
EXAMPLES = 16  # examples of a mini-batch are padded to a multiple of it; part of the arithmetic
AHEAD = 4  # images whose pixels are fetched from memory ahead of their use
PIXELS_IN_LINE, BYTES_IN_LINE = 32, 64  # of a line of cache

ACROSS = vectors(EXAMPLES)
load, store, spread, spread_at = ACROSS.load, ACROSS.store, ACROSS.spread, ACROSS.spread_at
multiply_add, total = ACROSS.multiply_add, ACROSS.total
IN_LANES = vectors(LANES)
load_lanes, store_lanes, spread_lanes = IN_LANES.load, IN_LANES.store, IN_LANES.spread
add_lanes = IN_LANES.multiply_add
ZERO, ONE = np.float32(0), np.float32(1)
# Numbers with a type of their own: for a literal, numba would compile a function once more.
NONE, START, NEXT = np.int64(-1), np.int64(0), np.int64(1)

Numbers = np.ndarray  # contiguous; in compiled code, annotations are for the reader
Lanes = Any  # a vector of LANES numbers
Images = tuple[Numbers, Numbers, Numbers, Numbers]  # see images.BrightPixels.arrays


@compiled
def fetch_ahead(
    starts: Numbers, pixels: Numbers, brightness: Numbers, order: Numbers, image: int
) -> None:
    """Fetch the pixels of two images that come ``AHEAD`` after ``image`` in the order."""
    for coming in range(image + AHEAD, min(image + AHEAD + 2, len(order))):
        begin, end = starts[order[coming]], starts[order[coming] + 1]
        for entry in range(begin, end, PIXELS_IN_LINE):
            prefetch(pixels, entry)
        for entry in range(begin, end, BYTES_IN_LINE):
            prefetch(brightness, entry)


@compiled
def first_forward(
    weights: Numbers, lanes: int, images: Images, order: Numbers, sums: Numbers
) -> None:
    """The sums over pixels, [example, lane], of weights [pixel, lane]."""
    # Two images at a time: a sum waits for its last product, two sums can take turns.
    starts, pixels, brightness = images[:3]
    for lane in range(0, lanes, LANES):
        for image in range(0, len(order), 2):
            fetch_ahead(starts, pixels, brightness, order, image)
            other = min(image + 1, len(order) - 1)
            here, here_end = starts[order[image]], starts[order[image] + 1]
            there, there_end = starts[order[other]], starts[order[other] + 1]
            first = second = spread_lanes(ZERO)
            for _ in range(min(here_end - here, there_end - there)):
                first = add_pixel(weights, lanes, lane, images, here, first)
                second = add_pixel(weights, lanes, lane, images, there, second)
                here += 1
                there += 1
            for entry in range(here, here_end):
                first = add_pixel(weights, lanes, lane, images, entry, first)
            for entry in range(there, there_end):
                second = add_pixel(weights, lanes, lane, images, entry, second)
            store_lanes(sums, image * lanes + lane, first)
            store_lanes(sums, other * lanes + lane, second)


@compiled
def add_pixel(
    weights: Numbers, lanes: int, lane: int, images: Images, entry: int, sum_: Lanes
) -> Lanes:
    """The sum, plus the weights of a bright pixel times its brightness."""
    _, pixels, brightness, numbers = images
    place = np.intp(element(pixels, entry)) * lanes + lane
    value = spread_lanes(numbers[element(brightness, entry)])
    return add_lanes(value, load_lanes(weights, place), sum_)


@compiled
def first_gradient(
    errors: Numbers, lanes: int, images: Images, order: Numbers, gradients: Numbers
) -> None:
    """The gradients of weights [pixel, lane] from errors [example, lane]."""
    gradients[:] = ZERO
    starts, pixels, brightness, numbers = images
    for lane in range(0, lanes, LANES):
        for image in range(len(order)):
            error = load_lanes(errors, image * lanes + lane)
            for entry in range(starts[order[image]], starts[order[image] + 1]):
                place = np.intp(element(pixels, entry)) * lanes + lane
                value = spread_lanes(numbers[element(brightness, entry)])
                store_lanes(gradients, place, add_lanes(value, error, load_lanes(gradients, place)))


@compiled
def product(
    weights: Numbers,
    matrix: int,
    biases: int,
    row_stride: int,
    column_stride: int,
    rows: int,
    columns: int,
    inputs: Numbers,
    source: int,
    outputs: Numbers,
    target: int,
    examples: int,
) -> None:
    """``outputs`` [row, example] = biases + matrix [row, column] · ``inputs`` [column, example].

    ``matrix``, ``biases`` (negative: none), ``source`` and ``target`` are positions in arrays.
    """
    for example in range(0, examples, EXAMPLES):
        row = 0
        while row < rows:
            place = target + row * examples + example
            weight = matrix + row * row_stride
            if row + 4 <= rows:  # four rows at a time, so that a processor's adders are busy
                a = b = c = d = spread(ZERO)
                if biases >= 0:
                    bias = biases + row
                    a, b = spread_at(weights, bias), spread_at(weights, bias + 1)
                    c, d = spread_at(weights, bias + 2), spread_at(weights, bias + 3)
                for column in range(columns):
                    value = load(inputs, source + column * examples + example)
                    at = weight + column * column_stride
                    a = multiply_add(spread_at(weights, at), value, a)
                    b = multiply_add(spread_at(weights, at + row_stride), value, b)
                    c = multiply_add(spread_at(weights, at + 2 * row_stride), value, c)
                    d = multiply_add(spread_at(weights, at + 3 * row_stride), value, d)
                store(outputs, place, a)
                store(outputs, place + examples, b)
                store(outputs, place + 2 * examples, c)
                store(outputs, place + 3 * examples, d)
                row += 4
            else:
                a = spread(ZERO)
                if biases >= 0:
                    a = spread_at(weights, biases + row)
                for column in range(columns):
                    value = load(inputs, source + column * examples + example)
                    a = multiply_add(spread_at(weights, weight + column * column_stride), value, a)
                store(outputs, place, a)
                row += 1


@compiled
def matrix_gradient(
    errors: Numbers,
    rows: int,
    inputs: Numbers,
    source: int,
    columns: int,
    examples: int,
    gradients: Numbers,
    matrix: int,
) -> None:
    """Gradients [row, column] from errors [row, example] and inputs [column, example].

    Each is a sum over examples: every 16th in order, and then these 16 sums by halves.
    """
    for row in range(rows):
        error = row * examples
        for column in range(0, columns, 4):
            value = source + column * examples
            if column + 4 <= columns:
                a = b = c = d = spread(ZERO)
                for example in range(0, examples, EXAMPLES):
                    factor = load(errors, error + example)
                    at = value + example
                    a = multiply_add(factor, load(inputs, at), a)
                    b = multiply_add(factor, load(inputs, at + examples), b)
                    c = multiply_add(factor, load(inputs, at + 2 * examples), c)
                    d = multiply_add(factor, load(inputs, at + 3 * examples), d)
                place = matrix + row * columns + column
                gradients[place] = total(a)
                gradients[place + 1] = total(b)
                gradients[place + 2] = total(c)
                gradients[place + 3] = total(d)
            else:
                for last in range(column, columns):
                    a = spread(ZERO)
                    for example in range(0, examples, EXAMPLES):
                        factor = load(errors, error + example)
                        value = load(inputs, source + last * examples + example)
                        a = multiply_add(factor, value, a)
                    gradients[matrix + row * columns + last] = total(a)


@compiled
def bias_gradient(
    errors: Numbers, rows: int, examples: int, gradients: Numbers, biases: int
) -> None:
    """Gradients [row] from errors [row, example], added as those of matrices."""
    one = spread(ONE)
    for row in range(rows):
        a = spread(ZERO)
        for example in range(0, examples, EXAMPLES):
            a = multiply_add(load(errors, row * examples + example), one, a)
        gradients[biases + row] = total(a)
