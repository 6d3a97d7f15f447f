"""What recording costs a training: ``python -m benchmarks.recording``.

A language model of 10 million weights trains with and without a recorder, by turns, so that what
else the machine does meets both. 100 snapshots are kept, one every ``--every`` steps.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

import deep_learning_dynamics as dld

WIDTH, LAYERS, HEADS, CHARACTERS = 320, 8, 5, 256
ROUNDS = 4


@dataclass
class Cost:
    """Seconds of one way to train, over all of its steps."""

    wall: float = 0.0
    processor: float = 0.0  # of all threads of this process
    waiting: float = 0.0  # of the training in the recorder
    steps: int = 0


class LanguageModel(nn.Module):
    """Predicts the next character."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CHARACTERS, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout=0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, CHARACTERS)

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(text.shape[1], device=text.device)
        return self.head(self.layers(self.embedding(text), mask=mask, is_causal=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=10, help="steps from snapshot to snapshot")
    parser.add_argument("--snapshots", type=int, default=100)
    parser.add_argument("--sequences", type=int, default=8, help="of 64 characters in a batch")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    choices = parser.parse_args()
    torch.manual_seed(0)
    model = LanguageModel().to(choices.device)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-4)
    weights = sum(parameter.numel() for parameter in model.parameters())
    text = torch.randint(CHARACTERS, (choices.sequences, 65), device=choices.device)

    def step() -> torch.Tensor:
        loss = nn.functional.cross_entropy(model(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss

    def train(record: dld.Recorder | None, start: int, steps: int, cost: Cost) -> None:
        wall, processor = time.perf_counter(), time.process_time()
        for number in range(start, start + steps):
            loss = step()
            if record is not None:
                before = time.perf_counter()
                record(number, loss=loss)
                cost.waiting += time.perf_counter() - before
        if choices.device == "cuda":
            torch.cuda.synchronize()
        cost.wall += time.perf_counter() - wall
        cost.processor += time.process_time() - processor
        cost.steps += steps

    train(None, 0, 5, Cost())  # warm up
    plain, recorded, extras = Cost(), Cost(), []
    steps = choices.snapshots * choices.every // ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "r.zarr")
        with dld.Recorder(path, model, schedule=choices.every) as record:
            for number in range(ROUNDS):
                before = recorded.wall - plain.wall
                train(None, 0, steps, plain)
                train(record, number * steps, steps, recorded)
                extras.append(recorded.wall - plain.wall - before)
                time.sleep(1)  # what is still being written does not meet the others
        kept = dld.open(path).sizes["snapshot"]

    each = plain.wall / plain.steps
    extra = (recorded.processor - plain.processor) / kept
    print(
        f"{weights / 1e6:.1f} million weights on {where(choices.device)}, "
        f"torch {torch.__version__}; a step takes {1000 * each:.1f} ms\n"
        f"{kept} snapshots in {recorded.steps} steps:\n"
        f"  wall time       {recorded.wall / plain.wall - 1:+.1%}, of rounds "
        f"{', '.join(f'{extra / steps / each:+.1%}' for extra in extras)}\n"
        f"  processor time  {recorded.processor / plain.processor - 1:+.1%}, "
        f"{1000 * extra:.0f} ms per snapshot\n"
        f"  training waits  {recorded.waiting / recorded.wall:.2%}, "
        f"{1000 * recorded.waiting / kept:.1f} ms per snapshot"
    )


def where(device: str) -> str:
    """What computes."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{torch.get_num_threads()} threads of the processor"


if __name__ == "__main__":
    main()
