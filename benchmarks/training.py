"""Time of one epoch of MNIST for many networks, against scikit-learn and a torch loop.

    python -m benchmarks.training [--quick]

Networks are 784-8-8-8-8-8-10 perceptrons with sgd in batches of 200. Contenders take turns, and the
shortest of their times counts, so that what else the machine does hits all. Of networks that others
train one by one, some are timed; the others would take as long. Images are MNIST where
DYNAMICS_DATASETS names a folder that has it, else random ones that are as dark.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deep_learning_dynamics.environment import Environment
from deep_learning_dynamics.study.kernel import (
    Architecture,
    PortableEnsemble,
    initial_weights,
)
from deep_learning_dynamics.study.optimisers import Optimisation

EXAMPLES, BATCH, RATE, DECAY = 60_000, 200, 0.03, 1e-4
NETWORK = Architecture((784, 8, 8, 8, 8, 8, 10), "relu")
BRIGHT = 0.19  # share of MNIST's pixels


@dataclass(frozen=True)
class Contender:
    """Something that trains networks."""

    name: str
    networks: int  # that ``run`` trains
    run: Callable[[], None]


def digits() -> tuple[str, np.ndarray, np.ndarray]:
    """What the images are, images [example, pixel] and labels."""
    from deep_learning_dynamics.study.datasets.dataset import DATASETS, UnavailableError
    from deep_learning_dynamics.study.datasets.local import read_local

    try:
        examples = read_local(DATASETS["mnist"]())
        train = ~examples.is_test
        return "MNIST", examples.images[train].reshape(-1, 784), examples.labels[train]
    except UnavailableError:
        rng = np.random.default_rng(0)
        images = rng.integers(1, 256, (EXAMPLES, 784), np.uint8)
        images[rng.random(images.shape, np.float32) > BRIGHT] = 0
        return "random images", images, rng.integers(0, 10, EXAMPLES)


def ours(images: np.ndarray, labels: np.ndarray, groups: list[int]) -> Contender:
    """An ensemble, whose networks of one group see the same batches."""
    weights = np.stack([initial_weights(NETWORK, 0, pair, "mnist") for pair in range(len(groups))])

    def train(examples: int = len(images)) -> None:
        rng = np.random.default_rng(0)
        orders = np.stack([rng.permutation(len(images))[:examples] for _ in set(groups)])
        ensemble = PortableEnsemble(NETWORK, weights, Optimisation("sgd", RATE, DECAY), groups)
        ensemble.train(images, labels, orders, BATCH)

    train(2 * BATCH)  # compiles
    return Contender("ours", len(groups), train)


def scikit_learn(images: np.ndarray, labels: np.ndarray, networks: int) -> Contender:
    """MLPClassifier on one thread: its products are so small that a second one slows it down."""
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    numbers = images / np.float32(255)

    def train() -> None:
        for seed in range(networks):
            model = MLPClassifier(
                NETWORK.widths[1:-1], solver="sgd", alpha=DECAY, batch_size=BATCH,
                learning_rate_init=RATE, random_state=seed,
            )  # fmt: skip
            with threadpool_limits(1, user_api="blas"):
                model.partial_fit(numbers, labels, classes=np.arange(10))

    return Contender("scikit-learn", networks, train)


def torch_loop(images: np.ndarray, labels: np.ndarray, networks: int) -> Contender:
    """The loop of torch's tutorials, on one thread, on which it is fastest."""
    import torch

    data = torch.utils.data.TensorDataset(
        torch.from_numpy(images / np.float32(255)), torch.from_numpy(labels)
    )

    def train() -> None:
        torch.set_num_threads(1)
        for seed in range(networks):
            torch.manual_seed(seed)
            modules: list[torch.nn.Module] = []
            for layer in NETWORK.layers:
                modules += [torch.nn.Linear(layer.inputs, layer.outputs), torch.nn.ReLU()]
            model = torch.nn.Sequential(*modules[:-1])
            optimiser = torch.optim.SGD(
                model.parameters(), lr=RATE, momentum=0.9, nesterov=True, weight_decay=DECAY
            )
            for chosen, targets in torch.utils.data.DataLoader(data, BATCH, shuffle=True):
                optimiser.zero_grad()
                torch.nn.functional.cross_entropy(model(chosen), targets).backward()
                optimiser.step()

    return Contender("torch with a DataLoader", networks, train)


def compare(title: str, goals: list[float], contenders: list[Contender], rounds: int) -> None:
    """Print seconds and how many times faster the first contender is than each other one."""
    best = [float("inf")] * len(contenders)
    for _ in range(rounds):
        for index, contender in enumerate(contenders):
            begin = time.perf_counter()
            contender.run()
            best[index] = min(best[index], time.perf_counter() - begin)
    first = contenders[0]
    print(f"{title}: {best[0]:.2f} s, {1000 * best[0] / first.networks:.1f} ms per network")
    for goal, contender, seconds in zip(goals, contenders[1:], best[1:], strict=True):
        ratio = (seconds / contender.networks) / (best[0] / first.networks)
        found = f"{1000 * seconds / contender.networks:.0f} ms per network"
        print(f"    {contender.name}: {found}; we are {ratio:.0f} times faster (goal: {goal:.0f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round instead of five")
    rounds = 1 if parser.parse_args().quick else 5
    title, images, labels = digits()
    environment = Environment.current()
    print(f"{title}, {environment.processor}, {environment.threads} threads")
    data = images, labels
    learn = scikit_learn(*data, 1 if rounds == 1 else 2)
    compare("10 networks", [15], [ours(*data, [0] * 10), learn], rounds)
    torch_one = torch_loop(*data, 1)
    compare("100 networks", [30, 80], [ours(*data, [0] * 100), learn, torch_one], rounds)
    pairs = [network // 2 for network in range(20)]
    compare(
        "20 networks in pairs with batches of their own", [10], [ours(*data, pairs), learn], rounds
    )
    own = list(range(20))
    compare("20 networks, each with batches of its own", [10], [ours(*data, own), learn], rounds)


if __name__ == "__main__":
    main()
