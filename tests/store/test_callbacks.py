"""Callbacks for the real libraries: what they record is what the library trained."""

import os

import numpy as np
import pytest
import torch
from torch import nn

os.environ.setdefault("KERAS_BACKEND", "torch")

import deep_learning_dynamics as dld

torch.set_num_threads(1)  # threads of tiny products only wait for each other
INPUTS = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
CLASSES = (INPUTS.sum(dim=1) > 0).long()
RATE, BATCH = 0.1, 10  # four batches in an epoch


def expected_weights(network, batches):
    """The weights before each step of plain gradient descent, and after the last one."""
    optimiser = torch.optim.SGD(network.parameters(), RATE)
    taken = []
    for batch in [*batches, None]:
        taken.append(
            torch.cat([each.detach().reshape(-1).clone() for each in network.parameters()])
        )
        if batch is not None:
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(INPUTS[batch]), CLASSES[batch]).backward()
            optimiser.step()
    return torch.stack(taken).numpy()


def batches(epochs):
    return [slice(start, start + BATCH) for start in range(0, 40, BATCH)] * epochs


def linear(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(4, 2)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_lightning(tmp_path, accumulate):
    import lightning

    from deep_learning_dynamics.store.callbacks.lightning import RecordTrajectory

    class Classifier(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = linear()

        def training_step(self, batch, index):
            loss = nn.functional.cross_entropy(self.network(batch[0]), batch[1])
            self.log("loss", loss)
            return loss

        def validation_step(self, batch, index):
            self.log("val/loss", nn.functional.cross_entropy(self.network(batch[0]), batch[1]))
            self.log("val/top-1", (self.network(batch[0]).argmax(dim=1) == batch[1]).float().mean())

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), RATE)

    data = torch.utils.data.TensorDataset(INPUTS, CLASSES)
    loader = torch.utils.data.DataLoader(data, BATCH)
    trainer = lightning.Trainer(
        max_epochs=2,
        accumulate_grad_batches=accumulate,
        accelerator="cpu",
        callbacks=[RecordTrajectory(tmp_path / "r.zarr", schedule=1, group="sgd")],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(Classifier(), loader, loader)
    runs = dld.open(tmp_path / "r.zarr")
    assert runs["parameter"].values.tolist() == ["network.weight", "network.bias"]
    assert runs["group"].values.tolist() == ["sgd"]
    steps = 8 // accumulate
    assert runs["step"].values.tolist() == [list(range(steps + 1))]
    if accumulate == 1:
        np.testing.assert_allclose(
            runs["weights"][0], expected_weights(linear(), batches(2)), atol=1e-6
        )
        assert np.isfinite(runs["loss"][0]).sum() == steps
    validated = np.flatnonzero(np.isfinite(runs["val_loss"].values[0]))
    assert validated.tolist() == [steps // 2, steps]
    weights = torch.from_numpy(runs["weights"][0, steps // 2].values)
    loss = nn.functional.cross_entropy(INPUTS @ weights[:8].reshape(2, 4).T + weights[8:], CLASSES)
    np.testing.assert_allclose(runs["val_loss"][0, steps // 2], loss, rtol=1e-5)
    assert dld.store.score_names(runs) == ["loss", "val_loss", "val_top_1"]


def test_a_lightning_training_that_fails_leaves_what_was_recorded(tmp_path):
    import lightning

    from deep_learning_dynamics.store.callbacks.lightning import RecordTrajectory

    class Failing(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = linear()

        def training_step(self, batch, index):
            if index == 3:
                raise RuntimeError("out of luck")
            return self.network(batch[0]).sum()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), RATE)

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(INPUTS), BATCH)
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        callbacks=[RecordTrajectory(tmp_path / "r.zarr", schedule=2)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    with pytest.raises(RuntimeError, match="out of luck"):
        trainer.fit(Failing(), loader)
    assert dld.open(tmp_path / "r.zarr")["step"].values.tolist() == [[0, 2]]


def test_hugging_face(tmp_path):
    from transformers import Trainer, TrainingArguments

    from deep_learning_dynamics.store.callbacks.huggingface import RecordTrajectory

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = linear()

        def forward(self, inputs, labels=None):
            logits = self.network(inputs)
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    data = [
        {"inputs": inputs, "labels": label} for inputs, label in zip(INPUTS, CLASSES, strict=True)
    ]

    class InOrder(Trainer):
        def get_train_dataloader(self):
            return torch.utils.data.DataLoader(data, BATCH, collate_fn=self.data_collator)

    arguments = TrainingArguments(
        output_dir=str(tmp_path / "out"),
        num_train_epochs=2,
        per_device_train_batch_size=BATCH,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        optim="sgd",
        max_grad_norm=0,
        logging_steps=2,
        eval_strategy="epoch",
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = InOrder(
        Classifier(),
        arguments,
        train_dataset=data,
        eval_dataset=data,
        callbacks=[RecordTrajectory(tmp_path / "r.zarr", schedule=1, seed=3)],
    )
    trainer.train()
    runs = dld.open(tmp_path / "r.zarr")
    assert runs["parameter"].values.tolist() == ["network.weight", "network.bias"]
    assert runs["step"].values.tolist() == [list(range(9))]
    np.testing.assert_allclose(
        runs["weights"][0], expected_weights(linear(), batches(2)), atol=1e-6
    )
    assert np.flatnonzero(np.isfinite(runs["loss"].values[0])).tolist() == [2, 4, 6, 8]
    assert np.flatnonzero(np.isfinite(runs["eval_loss"].values[0])).tolist() == [4, 8]
    weights = torch.from_numpy(runs["weights"][0, 4].values)
    loss = nn.functional.cross_entropy(INPUTS @ weights[:8].reshape(2, 4).T + weights[8:], CLASSES)
    np.testing.assert_allclose(runs["eval_loss"][0, 4], loss, rtol=1e-4)
    assert dld.store.score_names(runs) == ["epoch", "eval_loss", "loss"]


def test_keras(tmp_path):
    import keras

    from deep_learning_dynamics.store.callbacks.keras import RecordTrajectory

    start = linear()
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="dense")])
    network.layers[0].set_weights([start.weight.detach().numpy().T, start.bias.detach().numpy()])
    network.compile(
        keras.optimizers.SGD(RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    data = INPUTS.numpy(), CLASSES.numpy()
    network.fit(
        *data,
        batch_size=BATCH,
        epochs=2,
        shuffle=False,
        validation_data=data,
        verbose=0,
        callbacks=[
            RecordTrajectory(
                tmp_path / "r.zarr",
                schedule=1,
                outputs=lambda weights: network.predict_on_batch(data[0][:3]),
            )
        ],
    )
    runs = dld.open(tmp_path / "r.zarr")
    names = [name.split("/", 1)[1] for name in runs["parameter"].values]
    assert names == ["dense/kernel", "dense/bias"]
    assert runs["step"].values.tolist() == [list(range(9))]
    expected = expected_weights(start, batches(2))
    recorded = runs["weights"][0].values
    np.testing.assert_allclose(
        recorded[:, :8].reshape(9, 4, 2).swapaxes(1, 2).reshape(9, 8), expected[:, :8], atol=1e-6
    )
    np.testing.assert_allclose(recorded[:, 8:], expected[:, 8:], atol=1e-6)
    assert np.flatnonzero(np.isfinite(runs["loss"].values[0])).tolist() == list(range(1, 9))
    assert np.flatnonzero(np.isfinite(runs["val_accuracy"].values[0])).tolist() == [4, 8]
    logits = torch.as_tensor(network.predict_on_batch(data[0][:3]))
    np.testing.assert_allclose(runs["outputs"][0, -1], logits.softmax(dim=1), atol=1e-6)
