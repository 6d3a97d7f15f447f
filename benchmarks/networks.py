"""Time and memory of both phases of the study for many networks: ``python -m benchmarks.networks``.

By default 500 pairs, from scratch and pre-trained, train as ``params.yaml`` says, without twins, in
torch's arithmetic: on a GPU if there is one (``CUDA_VISIBLE_DEVICES=`` hides it), else on the
processor. ``--network mlp`` trains the same perceptrons in portable arithmetic, on the processor.
MNIST and OMNIGLOT are found as in the study.
"""

import argparse
import resource
import tempfile
import time
from contextlib import chdir
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from deep_learning_dynamics import environment, store
from deep_learning_dynamics.formatting import percent, size
from deep_learning_dynamics.study import datasets, phases
from deep_learning_dynamics.study import params as parameters
from deep_learning_dynamics.study.networks import NETWORKS
from deep_learning_dynamics.study.networks.mlp import Mlp
from deep_learning_dynamics.study.networks.module import ModuleNetwork
from deep_learning_dynamics.study.stores import TRAIN

ROOT = Path(__file__).parents[1]
SECTIONS = ("seed", "plugins", "data", "network", "conditions", "pairs", "twins", "pretrain",
            "train")  # fmt: skip


@NETWORKS.register
class TorchPerceptron(ModuleNetwork):
    """The study's perceptron in torch, from the same initialisation."""

    key, title = "torch_perceptron", "perceptron"

    def build(self, shape: tuple[int, int], classes: int) -> nn.Module:
        widths = (shape[0] * shape[1], *Mlp.Settings().hidden_layers, classes)
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def initial(self, seed: int, pair: int, task: str) -> np.ndarray:
        return Mlp(Mlp.Settings(), self.shape, self.classes).initial(seed, pair, task)


@NETWORKS.register
class Convolutional(ModuleNetwork):
    """Two convolutions and a linear layer."""

    key, title = "two_convolutions", "convolutional network"

    def build(self, shape: tuple[int, int], classes: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 25, classes),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = ("torch_perceptron", "two_convolutions", "mlp")
    parser.add_argument("--network", choices=kinds, default=kinds[0])
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--epochs", type=int, help="of both phases")
    parser.add_argument("--folder", type=Path, help="where the stores stay")
    choices = parser.parse_args()
    plain = parameters.read(ROOT / "params.yaml")
    plain |= {"network": {"kind": choices.network}, "pairs": choices.pairs, "twins": False}
    for phase in ("pretrain", "train") if choices.epochs else ():
        plain[phase]["epochs"] = choices.epochs
    params = parameters.validate(plain, sections=SECTIONS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = choices.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with chdir(folder):
            run(params)


def run(params: parameters.Params) -> None:
    for phase in (params.pretrain, params.train):
        name = phase.dataset
        if not Path("data", f"{name}.npz").exists():
            datasets.fetch(datasets.DATASETS[name](params.data.settings(name)))
    seconds = []
    for make in (phases.pretraining, phases.main_training):
        start = time.perf_counter()
        training = make(params)
        training.run()
        seconds.append(time.perf_counter() - start)
    attributes = training.attributes
    device = attributes["environment"]["device"]
    if device == "cpu":
        device = f"{attributes['environment']['processor']}, {environment.cores()} threads"
    print(
        f"{len(training.networks):,} networks ({params.network.kind}, "
        f"{training.parameters.size:,} weights), {attributes['arithmetic']} arithmetic, "
        f"torch {torch.__version__}, on {device}:\n"
        f"  pre-training of half of them  {seconds[0]:.1f} s, {params.pretrain.epochs} epochs\n"
        f"  training                      {seconds[1]:.1f} s, {params.train.epochs} epochs\n"
        f"  memory                        {size(memory())}"
    )
    if attributes["arithmetic"] == "torch" and torch.cuda.is_available():
        print(f"  memory of the GPU             {size(torch.cuda.max_memory_reserved())}")
    with store.open(TRAIN) as runs:
        table = store.networks_table(runs)
        table["accuracy"] = runs["test_accuracy"].values[:, -1]
    for condition, group in table.groupby("condition"):
        low, middle, high = (percent(group["accuracy"].quantile(q)) for q in (0.1, 0.5, 0.9))
        failed = int((group["outcome"] != "").sum())
        print(f"  {condition}: test accuracy {middle} (80 % in {low} to {high}), {failed} failed")


def memory() -> int:
    """The most bytes that this process had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
