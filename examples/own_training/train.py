"""Train a small CNN on scikit-learn's digits with one optimiser, from as many starts as params.yaml
says. An ordinary training: checkpoints by plain torch.save, scores as JSON lines.
"""

import json
import sys
from pathlib import Path

import torch
from ruamel.yaml import YAML
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

OPTIMISERS = {
    "sgd": lambda weights, rate: torch.optim.SGD(weights, rate, momentum=0.9, nesterov=True),
    "adam": torch.optim.Adam,
}
EARLY = {0, 1, 2, 4, 7}  # steps with a checkpoint, besides every tenth
TEST = 400  # digits that are not trained on


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(),
        nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def train(folder: Path, optimiser: str, seed: int, params: dict) -> None:
    # Each network has a start of its own: the groups are independent, not pairs.
    torch.manual_seed(1000 * list(OPTIMISERS).index(optimiser) + seed)
    images, labels = load_digits(return_X_y=True)
    images = torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    labels = torch.tensor(labels)
    model = network()
    rate = params["optimisers"][optimiser]["learning_rate"]
    updates = OPTIMISERS[optimiser](model.parameters(), rate)
    batches = [
        batch
        for _ in range(params["epochs"])
        for batch in torch.randperm(len(images) - TEST).split(params["batch_size"])
    ]
    folder.mkdir(parents=True)
    with (folder / "log.json").open("w") as log:
        for step in range(len(batches) + 1):
            if step in EARLY or step % 10 == 0 or step == len(batches):
                torch.save(model.state_dict(), folder / f"step_{step}.pt")
                with torch.no_grad():
                    right = model(images[-TEST:]).argmax(1) == labels[-TEST:]
                accuracy = right.float().mean().item()
                log.write(json.dumps({"step": step, "test_accuracy": accuracy}) + "\n")
            if step < len(batches):
                updates.zero_grad()
                cross_entropy(model(images[batches[step]]), labels[batches[step]]).backward()
                updates.step()
    print(f"{optimiser}, seed {seed}: {accuracy:.1%} of the test digits after {step} steps")


if __name__ == "__main__":
    torch.set_num_threads(1)  # networks as small as these gain nothing from more
    params = YAML(typ="safe").load(Path("params.yaml"))
    for seed in range(params["seeds"]):
        train(Path("runs", sys.argv[1], str(seed)), sys.argv[1], seed, params)
