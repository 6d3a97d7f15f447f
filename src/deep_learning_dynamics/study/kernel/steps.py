"""Steps of a block of networks, and their predictions: what one thread does in compiled code.

The networks of a block see the same images. Their first layers lie together, [pixel, lane], where a
lane is a unit of a network; what follows (the biases of the first layer, then layer by layer) lies
as in the weight vector, network by network.
"""

from functools import cache

import numpy as np

from deep_learning_dynamics.study.kernel.arithmetic import exp, flush, log
from deep_learning_dynamics.study.kernel.compiler import (
    Function,
    compiled,
    compiled_once,
)
from deep_learning_dynamics.study.kernel.layers import (
    EXAMPLES,
    NEXT,
    NONE,
    ONE,
    START,
    ZERO,
    Images,
    Numbers,
    bias_gradient,
    first_forward,
    first_gradient,
    matrix_gradient,
    product,
)
from deep_learning_dynamics.study.kernel.vectors import address, aligned_zeros, element, put

zeros = compiled(aligned_zeros)


@compiled
def padded(examples: int) -> int:
    """So many examples in whole vectors."""
    return (examples + EXAMPLES - 1) // EXAMPLES * EXAMPLES


@compiled
def forward(
    sums: Numbers,
    lanes: int,
    network: int,
    weights: Numbers,
    widths: Numbers,
    examples: int,
    inputs: Numbers,
    outputs: Numbers,
    value: Function,
) -> int:
    """All layers of a network from the sums of its first; returns where the last one's inputs lie.

    ``inputs`` and ``outputs`` hold [unit, example] of layer after layer, before and after the
    activation.
    """
    units, size = widths[1], padded(examples)
    for unit in range(units):
        bias, lane = weights[unit], network * units + unit
        for example in range(examples):
            inputs[unit * size + example] = sums[example * lanes + lane] + bias
        for example in range(examples, size):
            inputs[unit * size + example] = ZERO
    position, place = units, START
    for layer in range(1, len(widths) - 1):
        rows, columns = widths[layer + 1], widths[layer]
        value(address(inputs, place), address(outputs, place), columns * size)
        source, place = place, place + columns * size
        biases = position + rows * columns
        product(
            weights, position, biases, columns, NEXT, rows, columns,
            outputs, source, inputs, place, size,
        )  # fmt: skip
        position = biases + rows
    return place


@compiled
def softmax(
    inputs: Numbers, place: int, classes: int, examples: int, probabilities: Numbers, sums: Numbers
) -> None:
    """Probabilities [class, example]; ``sums`` [2, example]: the largest input, and their sum."""
    size = padded(examples)
    for example in range(size):
        sums[example] = element(inputs, place + example)
        put(sums, size + example, ZERO)
    for each in range(1, classes):
        at = place + each * size
        for example in range(size):
            value = element(inputs, at + example)
            sums[example] = value if value > sums[example] else sums[example]
    for each in range(classes):
        at, to = place + each * size, each * size
        for example in range(size):
            power = exp(element(inputs, at + example) - sums[example])
            put(probabilities, to + example, power)
            put(sums, size + example, element(sums, size + example) + power)
    for each in range(classes):
        to = each * size
        for example in range(size):
            share = element(probabilities, to + example) / element(sums, size + example)
            put(probabilities, to + example, share)


@compiled
def backward(
    sums: Numbers,
    lanes: int,
    network: int,
    weights: Numbers,
    gradients: Numbers,
    widths: Numbers,
    examples: int,
    inputs: Numbers,
    outputs: Numbers,
    place: int,
    errors: Numbers,
    others: Numbers,
    slope: Function,
) -> None:
    """The gradients of a network from the errors of its last layer; those of its first into sums.

    ``place``: where the last layer lies in ``inputs``.
    """
    units, size = widths[1], padded(examples)
    position = len(weights)
    for layer in range(len(widths) - 2, 0, -1):
        rows, columns = widths[layer + 1], widths[layer]
        biases = position - rows
        position = biases - rows * columns
        place -= columns * size
        matrix_gradient(errors, rows, outputs, place, columns, size, gradients, position)
        bias_gradient(errors, rows, size, gradients, biases)
        product(
            weights, position, NONE, NEXT, columns, columns, rows,
            errors, START, others, START, size,
        )  # fmt: skip
        slope(
            address(inputs, place), address(outputs, place), address(others, START), columns * size
        )
        errors, others = others, errors
    bias_gradient(errors, units, size, gradients, START)
    for unit in range(units):
        lane = network * units + unit
        for example in range(examples):
            sums[example * lanes + lane] = errors[unit * size + example]


@compiled
def change(
    weights: Numbers,
    gradients: Numbers,
    firsts: Numbers,
    seconds: Numbers,
    widths: Numbers,
    constants: Numbers,
    decay: float,
    update: Function,
) -> None:
    """A step of all layers but the first matrix. Biases do not decay."""
    position, count = 0, widths[1]
    for layer in range(1, len(widths)):
        update(
            address(weights, position), address(gradients, position), address(firsts, position),
            address(seconds, position), count, constants, ZERO,
        )  # fmt: skip
        position += count
        if layer + 1 < len(widths):
            count = widths[layer] * widths[layer + 1]
            update(
                address(weights, position), address(gradients, position), address(firsts, position),
                address(seconds, position), count, constants, decay,
            )  # fmt: skip
            position, count = position + count, widths[layer + 1]


@cache
def trainer() -> Function:
    """The compiled function that takes a block's steps."""

    def train(
        first: tuple[Numbers, Numbers, Numbers, Numbers],
        rest: tuple[Numbers, Numbers, Numbers, Numbers],
        widths: Numbers,
        images: Images,
        labels: Numbers,
        label_rows: Numbers,
        order: Numbers,
        batch: int,
        constants: Numbers,
        decay: float,
        value: Function,
        slope: Function,
        update: Function,
    ) -> None:
        """One step for every ``batch`` examples of the order; the last batch may be smaller.

        ``first`` and ``rest``: weights, their gradients and the optimiser's two states, of which
        the second may be empty. ``constants``: a row for each step.
        """
        weights, gradients, firsts, seconds = first
        others, other_gradients, other_firsts, other_seconds = rest
        lanes, classes = len(weights) // widths[0], widths[-1]
        most = padded(min(batch, len(order)))
        units = widest = START
        for width in widths[1:]:
            units, widest = units + width, max(widest, width)
        sums = zeros(most * lanes)
        inputs = zeros(most * units)
        outputs = zeros(len(inputs))
        errors = zeros(most * widest)
        spare = zeros(most * widest)
        largest = zeros(2 * most)
        for step in range(len(constants)):
            chosen = order[step * batch : (step + 1) * batch]
            examples = len(chosen)
            size, share = padded(examples), np.float32(examples)
            first_forward(weights, lanes, images, chosen, sums)
            for network in range(len(others)):
                own = others[network]
                place = forward(sums, lanes, network, own, widths, examples, inputs, outputs, value)
                softmax(inputs, place, classes, examples, errors, largest)
                targets = labels[label_rows[network]]
                for example in range(examples):
                    errors[targets[chosen[example]] * size + example] -= ONE
                for each in range(classes):
                    for example in range(examples):
                        at = each * size + example
                        errors[at] = flush(errors[at] / share)
                    for example in range(examples, size):
                        errors[each * size + example] = ZERO
                backward(
                    sums, lanes, network, own, other_gradients[0], widths, examples,
                    inputs, outputs, place, errors, spare, slope,
                )  # fmt: skip
                change(
                    own, other_gradients[0], other_firsts[network], other_seconds[network],
                    widths, address(constants, 2 * step), decay / share, update,
                )  # fmt: skip
            first_gradient(sums, lanes, images, chosen, gradients)
            update(
                address(weights, 0), address(gradients, 0), address(firsts, 0),
                address(seconds, 0), len(weights), address(constants, 2 * step), decay / share,
            )  # fmt: skip

    return compiled_once(train)


@cache
def evaluator() -> Function:
    """The compiled function that finds a block's probabilities, losses and correct predictions."""

    def evaluate(
        first: Numbers,
        rest: Numbers,
        widths: Numbers,
        images: Images,
        labels: Numbers,
        order: Numbers,
        batch: int,
        value: Function,
        losses: Numbers,
        correct: Numbers,
        probabilities: Numbers,
    ) -> None:
        """For the examples of the order: ``losses`` (float64) and ``correct`` [network] are sums.

        ``probabilities`` [network, example, class] may have no examples; they are then left out.
        """
        lanes, classes = len(first) // widths[0], widths[-1]
        most, units = padded(min(batch, len(order))), START
        for width in widths[1:]:
            units += width
        sums = zeros(most * lanes)
        inputs = zeros(most * units)
        outputs = zeros(len(inputs))
        found = zeros(most * classes)
        largest = zeros(2 * most)
        highest, logarithms = zeros(most), zeros(most)
        predicted = np.zeros(most, np.int32)
        for begin in range(0, len(order), batch):
            chosen = order[begin : begin + batch]
            examples = len(chosen)
            size = padded(examples)
            first_forward(first, lanes, images, chosen, sums)
            for network in range(len(rest)):
                place = forward(
                    sums, lanes, network, rest[network], widths, examples, inputs, outputs, value
                )
                softmax(inputs, place, classes, examples, found, largest)
                for example in range(size):
                    predicted[example] = 0
                    highest[example] = found[example]
                    logarithms[example] = log(largest[size + example])
                for each in range(1, classes):
                    at = each * size
                    for example in range(size):
                        better = found[at + example] > highest[example]
                        predicted[example] = np.int32(each) if better else predicted[example]
                        highest[example] = found[at + example] if better else highest[example]
                for example in range(examples):
                    label = labels[chosen[example]]
                    target = inputs[place + label * size + example]
                    loss = logarithms[example] + (largest[example] - target)
                    losses[network] += np.float64(loss)
                    correct[network] += predicted[example] == label
                if probabilities.shape[1]:
                    for example in range(examples):
                        for each in range(classes):
                            probabilities[network, begin + example, each] = found[
                                each * size + example
                            ]

    return compiled_once(evaluate)
