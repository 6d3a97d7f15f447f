"""Rows: one epoch of MNIST for several networks, without evaluation."""

import itertools
from collections.abc import Callable

import numpy as np
import torch

from benchmarks import inputs, machine
from benchmarks.result import Line, Reach
from benchmarks.rows import Effort
from benchmarks.timing import Contender, Spread, Times, interleaved
from deep_learning_dynamics import batches, training
from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.params import BatchOrder

BATCH = inputs.BATCH
RATE, DECAY = 0.1, 1e-4  # as in params.yaml
WORK = "{networks} networks (784-8-8-8-8-8-10), sgd, batches of 200, 1 epoch of 60,000 digits"


def few(effort: Effort) -> list[Line]:
    networks = 10
    contenders = {
        "ours": _ours(networks, "shared"),
        "scikit-learn": _scikit_learn(networks, effort.pick(networks, 3)),
    }
    times = interleaved(contenders, effort.seconds, at_most=effort.pick(7, 2))
    return [
        Line.faster(
            "train, few",
            WORK.format(networks=networks),
            "scikit-learn, one by one",
            times["ours"],
            times["scikit-learn"],
            reach=8,
            note=_per_network(times, networks),
        )
    ]


def many(effort: Effort) -> list[Line]:
    networks, work = 100, WORK.format(networks=100)
    contenders = {
        "ours": _ours(networks, "shared"),
        "scikit-learn": _scikit_learn(networks, effort.pick(10, 2)),
        "torch": _torch_loop(networks, effort.pick(2, 1)),
        "multiply": Contender(machine.multiply_rate, times_itself=True),
    }
    times = interleaved(contenders, effort.seconds, at_most=effort.pick(5, 1))
    ours = times["ours"]
    # Each round's own rate: what else the machine does slows both.
    rates = times.pop("multiply").seconds
    operations = networks * useful_operations(inputs.NETWORK) * inputs.DIGITS
    shares = tuple(
        100 * operations / seconds / rate for seconds, rate in zip(ours.seconds, rates, strict=True)
    )
    rate = f"{np.median(rates) / 1e9:.0f} GFLOP/s measured"
    per_network = _per_network(times, networks)
    return [
        Line.faster(
            "train, many",
            work,
            "scikit-learn, one by one",
            ours,
            times["scikit-learn"],
            reach=20,
            note=per_network,
        ),
        Line.faster("train, many", work, "torch with a DataLoader", ours, times["torch"], reach=60),
        Line(
            "train, many",
            work,
            "the machine's matrix products",
            ours,
            found=Spread.of(shares),
            unit="%",
            reach=Reach(50, "%"),
            limit=rate,
            note=f"{operations / 1e9:.0f} useful GFLOP: the products forward and backward",
        ),
    ]


def own_order(effort: Effort) -> list[Line]:
    networks = 20
    contenders = {
        "ours": _ours(networks, "per_network"),
        "scikit-learn": _scikit_learn(networks, effort.pick(networks // 2, 3)),
    }
    times = interleaved(contenders, effort.seconds, at_most=effort.pick(5, 1))
    return [
        Line.faster(
            "train, own batch order",
            WORK.format(networks=networks) + ", batch_order: per_network",
            "scikit-learn, one by one",
            times["ours"],
            times["scikit-learn"],
            reach=6,
            note=_per_network(times, networks),
        )
    ]


def useful_operations(architecture: Architecture) -> int:
    """Floating-point operations per example and network that no way of training can do without.

    Two per weight forward, two for its gradient, two to hand the error on (not below layer 1).
    """
    matrices = [layer.inputs * layer.outputs for layer in architecture.layers]
    return 4 * sum(matrices) + 2 * sum(matrices[1:])


def _ours(networks: int, order: BatchOrder) -> Contender:
    task, settings, starts = inputs.task(), inputs.settings(order), inputs.starts(networks)

    def epoch(pieces: int | None = None) -> None:
        steps = batches.ahead(
            training.mini_batches(
                task, inputs.NETWORK, inputs.members(networks), settings, inputs.SEED
            )
        )
        with training.shared_out(task, inputs.NETWORK, starts, settings) as ensemble:
            for some in itertools.islice(steps, pieces):
                ensemble.take(some)

    return Contender(epoch, warm_up=lambda: epoch(2))


def _scikit_learn(networks: int, timed: int) -> Contender:
    """On one thread: its products are so small that a second one slows it down."""
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    task = inputs.task()
    images, labels = task.images.numbers(slice(None)).numpy(), task.labels.numpy()

    def epoch(count: int, examples: int = inputs.DIGITS) -> None:
        for seed in range(count):
            model = MLPClassifier(
                inputs.NETWORK.widths[1:-1],
                activation="relu",
                solver="sgd",
                alpha=DECAY,
                batch_size=BATCH,
                learning_rate_init=RATE,
                random_state=seed,
            )
            with threadpool_limits(1, user_api="blas"):
                model.partial_fit(images[:examples], labels[:examples], classes=np.arange(10))

    return _part(epoch, timed, networks, warm_up=lambda: epoch(1, 2000))


def _torch_loop(networks: int, timed: int) -> Contender:
    """On one thread, where it is as fast as on two that spin, and twice as fast as on two that do
    not (which is what importing our package makes of them)."""
    task = inputs.task()
    numbers = task.images.numbers(slice(None))

    def epoch(count: int, steps: int | None = None) -> None:
        data = torch.utils.data.TensorDataset(numbers, task.labels)
        for seed in range(count):
            torch.manual_seed(seed)
            parts: list[torch.nn.Module] = []
            for layer in inputs.NETWORK.layers:
                parts += [torch.nn.Linear(layer.inputs, layer.outputs), torch.nn.ReLU()]
            model = torch.nn.Sequential(*parts[:-1])
            optimiser = torch.optim.SGD(
                model.parameters(), lr=RATE, momentum=0.9, nesterov=True, weight_decay=DECAY
            )
            loader = torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True)
            for step, (images, labels) in enumerate(loader):
                if step == steps:
                    break
                optimiser.zero_grad()
                torch.nn.functional.cross_entropy(model(images), labels).backward()
                optimiser.step()

    def on_one_thread(count: int, steps: int | None = None) -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            epoch(count, steps)
        finally:
            torch.set_num_threads(before)

    return _part(on_one_thread, timed, networks, warm_up=lambda: on_one_thread(1, 10))


def _part(
    epoch: Callable[[int], None], timed: int, networks: int, warm_up: Callable[[], None]
) -> Contender:
    """``timed`` of the networks, one after the other; the others would take as long."""
    basis = "" if timed == networks else f"{timed} of {networks} networks"
    return Contender(
        lambda: epoch(timed), extrapolated=networks / timed, basis=basis, warm_up=warm_up
    )


def _per_network(times: dict[str, Times], networks: int) -> str:
    shown = (f"{name} {1000 * times[name].median / networks:.0f} ms" for name in times)
    return "per network: " + ", ".join(shown)
