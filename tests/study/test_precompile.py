import numpy as np
import pytest

from deep_learning_dynamics.study import params
from deep_learning_dynamics.study.kernel import Architecture, PortableEnsemble
from deep_learning_dynamics.study.kernel.steps import evaluator, trainer
from deep_learning_dynamics.study.networks import NETWORKS
from deep_learning_dynamics.study.optimisers import Optimisation
from deep_learning_dynamics.study.precompile import precompile


def test_training_finds_all_that_it_needs_compiled():
    compiled = trainer(), evaluator()
    precompile(params.load())
    before = [function.signatures for function in compiled]
    assert all(before)
    architecture = Architecture((9, 3, 2), "relu")
    weights = np.ones((4, architecture.size), np.float32)
    ensemble = PortableEnsemble(architecture, weights, Optimisation("sgd", 0.1, 0.0), [0, 0, 1, 1])
    images, labels = np.eye(9, dtype=np.uint8), np.arange(9) % 2
    ensemble.train(images, labels, np.array([[0, 1, 2], [3, 4, 5]]), 2)
    ensemble.train(images, np.tile(labels, (4, 1)), np.array([[0, 1, 2], [3, 4, 5]]), 2)
    ensemble.scores(images, labels)
    ensemble.outputs(images)
    assert [function.signatures for function in compiled] == before


def test_networks_of_torch_need_nothing_compiled(monkeypatch):
    monkeypatch.setattr(NETWORKS["mlp"], "arithmetic", "torch")
    monkeypatch.setattr(NETWORKS["mlp"], "ensemble", lambda *_: pytest.fail("it trains"))
    precompile(params.load())
