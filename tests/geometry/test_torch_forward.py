"""The forward function of a torch module gives what the module itself gives."""

import numpy as np
import pytest
import torch
from hand_made_stores import dataset, walks

import deep_learning_dynamics as dld
from deep_learning_dynamics.errors import StoreError


@pytest.fixture
def module():
    """Its parameters are those of hand-made stores, registered in another order."""

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.output = torch.nn.Linear(6, 4, bias=False)
            self.hidden1 = torch.nn.Linear(5, 6)
            self.dropout = torch.nn.Dropout(0.5)

        def forward(self, inputs):
            return self.output(self.dropout(torch.relu(self.hidden1(inputs))))

    torch.manual_seed(0)
    return Net()


@pytest.fixture
def examples():
    rng = np.random.default_rng(0)
    inputs = torch.tensor(rng.normal(size=(1500, 5)), dtype=torch.float32)
    return inputs, torch.tensor(rng.integers(0, 4, 1500))


def by_hand(weights, inputs):
    hidden = np.maximum(inputs @ weights[:30].reshape(6, 5).T + weights[30:36], 0)
    return hidden, hidden @ weights[36:].reshape(4, 6).T


def test_scores_are_those_of_the_weights_of_the_store_by_name(module, examples):
    weights = walks(3, 1)[:, 0]
    forward = dld.torch_forward(module, *examples, dataset(weights[:, None]))
    loss, accuracy = forward.scores(weights)
    for number, row in enumerate(weights):
        _, logits = by_hand(row.astype(float), examples[0].numpy().astype(float))
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        labels = examples[1].numpy()
        assert loss[number] == pytest.approx(
            -np.log(chances[np.arange(1500), labels]).mean(), rel=1e-4
        )
        assert accuracy[number] == pytest.approx((logits.argmax(axis=1) == labels).mean())


def test_without_a_store_weights_are_in_the_modules_order_and_it_is_not_changed(module, examples):
    before = torch.nn.utils.parameters_to_vector(module.parameters()).detach().numpy().copy()
    module.train()
    _, accuracy = dld.torch_forward(module, *examples).scores(np.stack([before, 0 * before]))
    assert module.training
    after = torch.nn.utils.parameters_to_vector(module.parameters()).detach().numpy()
    np.testing.assert_array_equal(before, after)
    module.eval()
    with torch.no_grad():
        right = (module(examples[0]).argmax(1) == examples[1]).float().mean()
    assert accuracy[0] == pytest.approx(float(right))


def test_activations_are_what_hidden_layers_give(module, examples):
    weights = walks(1, 1)[0, 0]
    forward = dld.torch_forward(module, *examples, dataset(weights[None, None]))
    found = forward.activations(weights)
    inputs = examples[0].numpy()
    before = inputs @ weights[:30].reshape(6, 5).T + weights[30:36]
    assert list(found) == ["hidden1"]
    np.testing.assert_allclose(found["hidden1"], before, atol=1e-4)
    assert not module.hidden1._forward_hooks


def test_every_place_of_a_sequence_counts():
    class Tokens(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(3, 3)

        def forward(self, tokens):
            return self.table(tokens)

    tokens = torch.tensor([[0, 1], [2, 0]])
    _, accuracy = dld.torch_forward(Tokens(), tokens, torch.tensor([[0, 1], [2, 1]])).scores(
        np.eye(3, dtype=np.float32).reshape(1, -1)
    )
    assert accuracy[0] == pytest.approx(0.75)


def test_a_module_that_cannot_be_stacked_runs_network_by_network():
    class Branching(torch.nn.Linear):
        def forward(self, inputs):
            outputs = super().forward(inputs)
            return outputs if float(outputs.sum()) < 1e9 else -outputs

    inputs, labels = torch.eye(3), torch.tensor([0, 1, 2])
    module = Branching(3, 3, bias=False)
    weights = np.stack([np.eye(3), -np.eye(3)]).reshape(2, 9).astype(np.float32)
    _, accuracy = dld.torch_forward(module, inputs, labels).scores(weights)
    assert accuracy.tolist() == [1, 0]


def test_another_module_is_refused(examples):
    runs = dataset(walks(1, 1))
    with pytest.raises(StoreError, match=r"hidden1.weight has the shape \(6, 5\) in the store and"):
        dld.torch_forward(torch.nn.Linear(5, 4), *examples, runs)


def test_analyses_take_it(module, examples):
    runs = dataset(walks(3, 4))
    geometry = dld.analyse(
        runs, analyses=["barriers"], forward=dld.torch_forward(module, *examples, runs)
    )
    assert set(geometry.findings) == {"barriers"}


def test_parts_in_evaluation_mode_stay_so(module, examples):
    module.dropout.eval()
    dld.torch_forward(module, *examples, dataset(walks(1, 1))).scores(walks(1, 1)[:, 0])
    assert (module.training, module.hidden1.training, module.dropout.training) == (
        True,
        True,
        False,
    )


def test_of_a_module_that_gives_several_tensors_the_first_is_its_layer():
    class Recurrent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.memory, self.output = torch.nn.LSTM(3, 4, batch_first=True), torch.nn.Linear(4, 2)

        def forward(self, inputs):
            return self.output(self.memory(inputs)[0][:, -1])

    module, inputs = Recurrent(), torch.ones(5, 6, 3)
    forward = dld.torch_forward(module, inputs, torch.zeros(5, dtype=torch.long))
    own = np.concatenate([each.detach().numpy().ravel() for each in module.parameters()])
    expected = module.memory(inputs)[0].detach().numpy().reshape(5, 24)
    np.testing.assert_allclose(forward.activations(own)["memory"], expected, rtol=1e-6)


@pytest.mark.parametrize("number", [400, 1001])
def test_batch_normalisation_is_by_the_examples_unless_statistics_are_recorded(number):
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(5, 6), torch.nn.BatchNorm1d(6), torch.nn.ReLU(), torch.nn.Linear(6, 4)
    )
    inputs, labels = 30 + 20 * torch.randn(number, 5), torch.randint(4, (number,))
    weights = torch.nn.utils.parameters_to_vector(module.parameters()).detach().numpy()[None]
    loss, _ = dld.torch_forward(module, inputs, labels).scores(np.tile(weights, (2, 1)))
    assert module[1].running_mean.tolist() == [0] * 6
    module.train()
    with torch.no_grad():
        parts = [(inputs[:500], labels[:500]), (inputs[500:], labels[500:])]
        losses = [
            len(y) * torch.nn.functional.cross_entropy(module(x), y) for x, y in parts if len(y)
        ]
    assert loss == pytest.approx(float(sum(losses)) / number, rel=1e-5)


def test_one_example_cannot_be_normalised_and_frozen_statistics_stay():
    module = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.BatchNorm1d(6))
    with pytest.raises(StoreError, match=r"^1 normalises batches, .* at least 2 examples"):
        dld.torch_forward(module, torch.ones(1, 5), torch.zeros(1, dtype=torch.long))

    class Frozen(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("running_mean", torch.ones(4))

        def forward(self, inputs):
            return inputs - self.running_mean

    module = torch.nn.Sequential(torch.nn.Linear(5, 4), Frozen())
    weights = torch.nn.utils.parameters_to_vector(module.parameters()).detach().numpy()[None]
    inputs, labels = torch.ones(1, 5), torch.zeros(1, dtype=torch.long)
    loss, _ = dld.torch_forward(module, inputs, labels).scores(weights)
    expected = torch.nn.functional.cross_entropy(module(inputs), labels)
    assert loss == pytest.approx(expected.item(), rel=1e-5)
