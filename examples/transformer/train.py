"""Train a tiny language model with the Hugging Face Trainer: two learning rates, three starts each.

The text is generated here, and the Trainer's callback records the weights: runs/RATE-START.zarr.
"""

import argparse
import os
import random
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing is downloaded
import torch
from torch.utils.data import TensorDataset
from transformers import GPT2Config, GPT2LMHeadModel, PrinterCallback, Trainer, TrainingArguments

from deep_learning_dynamics.store.callbacks.huggingface import RecordTrajectory

SUBJECTS = ("the cat", "the dog", "a bird", "my friend", "the old sailor")
VERBS = ("sees", "follows", "likes", "finds")
OBJECTS = ("the moon", "a red ball", "the sea", "some bread")
LETTERS = " .abcdefghijklmnopqrstuvwxyz"
CONTEXT = 32  # letters


def text(sentences: int, seed: int) -> str:
    chosen = random.Random(seed)
    parts = (SUBJECTS, VERBS, OBJECTS)
    return "".join(" ".join(map(chosen.choice, parts)) + ". " for _ in range(sentences))


def windows(letters: str) -> list[dict[str, torch.Tensor]]:
    """The text in pieces of CONTEXT letters, as the Trainer wants them."""
    numbers = torch.tensor([LETTERS.index(letter) for letter in letters])
    pieces = numbers[: len(numbers) // CONTEXT * CONTEXT].reshape(-1, CONTEXT)
    return [{"input_ids": piece, "labels": piece} for (piece,) in TensorDataset(pieces)]


def train(rate: float, pair: int, steps: int) -> None:
    """Networks of one pair have the same start and the same batches, at either learning rate."""
    torch.manual_seed(pair)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(LETTERS), n_positions=CONTEXT, n_embd=32, n_layer=2, n_head=2,
            bos_token_id=None, eos_token_id=None, loss_type="ForCausalLM",
            resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
        )
    )  # fmt: skip
    record = RecordTrajectory(
        f"runs/{rate:g}-{pair}.zarr",
        weights="*.weight",
        rate=f"{rate:g}",
        pair=pair,
        titles={"rate": {f"{rate:g}": f"learning rate {rate:g}"}},
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, max_steps=steps, learning_rate=rate, per_device_train_batch_size=32, seed=pair,
            logging_steps=1, eval_strategy="steps", eval_steps=10, eval_on_start=True,
            save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True,
        )  # fmt: skip
        trainer = Trainer(
            model,
            arguments,
            train_dataset=windows(text(2000, seed=0)),
            eval_dataset=windows(text(100, seed=1)),
            callbacks=[record],
        )
        trainer.remove_callback(PrinterCallback)  # the store has every step's losses
        trainer.train()
        loss = trainer.evaluate()["eval_loss"]
    print(f"learning rate {rate:g}, pair {pair}: loss {loss:.2f} after {steps} steps")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    Path("runs").mkdir(exist_ok=True)
    for rate in (0.0003, 0.003):
        for pair in range(options.pairs):
            train(rate, pair, options.steps)
