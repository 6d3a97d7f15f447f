"""Networks of torch: on a GPU they learn what they learn on the processor."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from deep_learning_dynamics.study import phases, stage, torch_training
from deep_learning_dynamics.study.networks.module import ModuleNetwork
from deep_learning_dynamics.study.optimisers import Optimisation

on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")
SHAPE, CLASSES = (28, 28), 10


class Convolutions(ModuleNetwork):
    key, title = "convolutions", "convolutions"

    def build(self, shape, classes):
        return torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 5, stride=2),
            torch.nn.Tanh(),
            torch.nn.Conv2d(4, 6, 3, stride=2),
            torch.nn.Tanh(),
            torch.nn.Flatten(),
            torch.nn.Linear(150, classes),
        )


@pytest.fixture(scope="module")
def digits():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 300)
    images = rng.integers(0, 100, (300, *SHAPE)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 4] += 120
    return images.reshape(300, -1), labels


def trained(digits, pairs, device=None, monkeypatch=None, steps=12):
    """Networks of some pairs after a few steps of mini-batches of their pair."""
    if device is not None:
        monkeypatch.setattr(torch_training, "device", lambda: torch.device(device))
    network = Convolutions(None, SHAPE, CLASSES)
    weights = np.stack([network.initial(0, pair, "digits") for pair in pairs])
    names = sorted(set(pairs))
    groups = [names.index(pair) for pair in pairs]
    ensemble = network.ensemble(weights, Optimisation("sgd", 0.05, 1e-3), groups, 1)
    orders = np.stack(
        [np.random.default_rng(pair).permutation(300)[: 20 * steps] for pair in names]
    )
    ensemble.train(*digits, orders.astype(np.int32), 20)
    return ensemble


def test_the_store_of_a_training_names_its_device(settings, monkeypatch):
    monkeypatch.setattr(torch_training, "device_name", lambda: "a GPU")
    for arithmetic, device in (("torch", "a GPU"), ("portable", "cpu")):
        kind = SimpleNamespace(key="x", arithmetic=arithmetic)
        monkeypatch.setattr(phases, "NETWORKS", {"mlp": kind})
        assert phases._attributes(settings())["environment"]["device"] == device


def test_images_are_brought_to_the_device_once(digits):
    images, labels = digits
    ensemble = trained(digits, [0, 1])
    before = ensemble.scores(images, labels)
    assert len(ensemble._known) == 1
    other = images[::-1].copy()
    after = ensemble.scores(other, labels[::-1].copy())
    np.testing.assert_allclose(before[0], after[0], rtol=1e-5)
    assert ensemble.scores(other, labels)[1].max() < before[1].min()


@on_a_gpu
def test_a_gpu_and_the_processor_differ_by_rounding_alone(digits, monkeypatch):
    """Convolutions in TF32, torch's default, would differ a thousand times as much."""
    before = torch.backends.cudnn.allow_tf32
    there = trained(digits, [0, 1, 2])
    here = trained(digits, [0, 1, 2], "cpu", monkeypatch)
    assert np.abs(here.weights() - there.weights()).max() < 2e-6
    assert np.abs(here.weights() - trained(digits, [0, 1, 2], steps=1).weights()).max() > 1e-2
    np.testing.assert_allclose(here.outputs(digits[0]), there.outputs(digits[0]), atol=1e-5)
    assert torch.backends.cudnn.allow_tf32 == before


@on_a_gpu
def test_networks_of_a_pair_that_start_alike_stay_alike_and_again(digits):
    once, again = (trained(digits, [0, 1, 0, 1]).weights() for _ in range(2))
    np.testing.assert_array_equal(once[:2], once[2:])
    np.testing.assert_array_equal(once, again)


@on_a_gpu
def test_a_gpu_without_memory_is_one_line():
    with pytest.raises(torch.OutOfMemoryError) as caught:
        torch.empty(2**50, dtype=torch.uint8, device="cuda")
    assert stage.in_words(caught.value).startswith("the GPU's memory ran out (CUDA out of memory.")
