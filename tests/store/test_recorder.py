"""Recording a training: what the schedule asks for is kept, as the weights were then."""

import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
import torch
from small_stores import until
from torch import nn

import deep_learning_dynamics as dld
from deep_learning_dynamics.errors import ParamsError, StoreError
from deep_learning_dynamics.store import recorder as recording

torch.set_num_threads(1)  # threads of tiny products only wait for each other


def model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 3))


def flat(network):
    return torch.cat([each.detach().float().reshape(-1) for each in network.parameters()]).numpy()


def train(record, network, steps, start=0):
    """Record a training whose weights grow by 1 in each step, and give them at each."""
    expected = []
    for step in range(start, steps):
        expected.append(flat(network))
        record(step, loss=torch.tensor(float(step)))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += 1
    return np.array(expected)


# Schedules


@pytest.mark.parametrize(
    ("schedule", "kept"),
    [
        (10, [0, 10, 20, 30, 34]),
        (dld.Schedule.every(17), [0, 17, 34]),
        ([3, 30, 4], [0, 3, 4, 30, 34]),
        (lambda step: step % 16 == 1, [0, 1, 17, 33, 34]),
        (dld.Schedule.logarithmic(4), [0, 1, 2, 3, 6, 10, 18, 32, 34]),
        (None, [0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 34]),
    ],
)
def test_scheduled_steps_are_kept_and_the_first_and_last_always(tmp_path, schedule, kept):
    network = model()
    with dld.Recorder(tmp_path / "r.zarr", network, schedule=schedule) as record:
        expected = train(record, network, 35)[kept]
        expected[-1] = flat(network)  # after the last step the model went on, unrecorded
    runs = dld.open(tmp_path / "r.zarr")
    assert runs["step"].values.tolist() == [kept]
    np.testing.assert_array_equal(runs["loss"].values, [kept])
    if kept[-1] != 34 or schedule not in (10, None):
        expected[-1] = runs["weights"][0, -1]
    np.testing.assert_array_equal(runs["weights"][0], expected)


def test_a_scheduled_step_that_is_not_recorded_is_made_up_for():
    for schedule, due in (
        (dld.Schedule.every(10), [12, 20]),
        (dld.Schedule.at([11, 13]), [12, 16]),
        (dld.Schedule.logarithmic(10), [4, 8, 12, 16, 20, 28]),
    ):
        assert [step for step in range(4, 32, 4) if schedule.due(step - 4, step)] == due


@pytest.mark.parametrize("schedule", [0, -3, True, "often", 2.5, [1, "x"]])
def test_what_is_no_schedule_is_refused(tmp_path, schedule):
    with pytest.raises(ParamsError, match=r"expected a (whole )?number"):
        dld.Recorder(tmp_path / "r.zarr", model(), schedule=schedule)


# Which weights


def test_parameters_are_kept_without_buffers_and_tied_ones_once(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(7, 4)
            self.norm = nn.BatchNorm1d(4)
            self.head = nn.Linear(4, 7, bias=False)
            self.head.weight = self.embedding.weight
            self.counts = nn.Parameter(torch.zeros(3, dtype=torch.int64), requires_grad=False)

    with dld.Recorder(tmp_path / "r.zarr", Tied()) as record:
        record(0)
    runs = dld.open(tmp_path / "r.zarr")
    assert runs["parameter"].values.tolist() == ["embedding.weight", "norm.weight", "norm.bias"]
    assert runs["kind"].values.tolist() == ["weight", "other", "bias"]


def test_names_choose_parameters(tmp_path):
    network = model()
    with dld.Recorder(tmp_path / "r.zarr", network, weights=["0.*", "*.bias"]) as record:
        record(0)
    runs = dld.open(tmp_path / "r.zarr")
    names = ["0.weight", "0.bias", "1.bias", "3.bias"]
    assert runs["parameter"].values.tolist() == names
    values = dict(network.named_parameters())
    expected = np.concatenate([values[name].detach().reshape(-1) for name in names])
    np.testing.assert_array_equal(runs["weights"][0, 0], expected)
    with pytest.raises(StoreError, match=r"No parameter is called 'conv\.\*'; these are there: 0"):
        dld.Recorder(tmp_path / "s.zarr", network, weights="conv.*").__enter__()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_are_converted_and_noted(tmp_path, dtype):
    network = nn.Linear(3, 2).to(dtype)
    with dld.Recorder(tmp_path / "r.zarr", network) as record:
        record(0)
    runs = dld.open(tmp_path / "r.zarr")
    assert runs["dtype"].values.tolist() == [str(dtype).removeprefix("torch.")] * 2
    np.testing.assert_array_equal(runs["weights"][0, 0], flat(network))


def test_compiled_and_data_parallel_models_have_the_names_of_the_bare_one(tmp_path):
    class Wrapping(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Linear(2, 2)  # somebody's own name
            self.inner = torch.compile(nn.DataParallel(nn.Linear(2, 2)))

    with dld.Recorder(tmp_path / "r.zarr", torch.compile(Wrapping())) as record:
        record(0)
    names = dld.open(tmp_path / "r.zarr")["parameter"].values.tolist()
    assert names == ["module.weight", "module.bias", "inner.weight", "inner.bias"]


DISTRIBUTED = """
    import sys, warnings
    warnings.simplefilter("ignore")
    import torch, torch.distributed as dist
    from torch import nn
    from torch.nn.parallel import DistributedDataParallel
    from torch.distributed.fsdp import fully_shard
    import deep_learning_dynamics as dld

    folder, rank = sys.argv[1], int(sys.argv[2])
    store = dist.FileStore(f"{folder}/rendezvous", 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
    for kind in ("ddp", "fsdp"):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
        if kind == "ddp":
            network = DistributedDataParallel(network)
        else:
            mesh = dist.device_mesh.init_device_mesh("cpu", (2,))
            fully_shard(network[0], mesh=mesh); fully_shard(network, mesh=mesh)
        probes = torch.ones(2, 5)
        with dld.Recorder(f"{folder}/{kind}.zarr", network, schedule=2, outputs=probes) as record:
            for step in range(4):
                record(step)
                with torch.no_grad():
                    for parameter in network.parameters():
                        parameter.add_(1)
        dist.barrier()
    dist.destroy_process_group()
"""


def test_of_several_processes_the_first_writes_whole_parameters(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(DISTRIBUTED))
    processes = [
        subprocess.Popen([sys.executable, script, tmp_path, str(rank)]) for rank in range(2)
    ]
    assert [process.wait(120) for process in processes] == [0, 0]
    torch.manual_seed(0)
    start = flat(nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)))
    for kind in ("ddp", "fsdp"):
        runs = dld.open(tmp_path / f"{kind}.zarr")
        assert runs["parameter"].values.tolist() == ["0.weight", "0.bias", "2.weight", "2.bias"]
        assert runs["step"].values.tolist() == [[0, 2, 3]]
        np.testing.assert_allclose(runs["weights"][0, 1] - start, 2, atol=1e-5)
        assert np.isfinite(runs["outputs"]).all()


def test_nested_dictionaries_of_arrays_are_recorded(tmp_path):
    kernel = np.ones((3, 2), np.float32)
    tree = {"Dense_0": {"kernel": kernel, "bias": np.zeros(2)}, "again": [kernel], "count": 3}
    choices = {
        "schedule": 2,
        "outputs": lambda tree: tree["Dense_0"]["kernel"] * [0, np.log(2)] - 1,
    }
    with dld.Recorder(tmp_path / "r.zarr", tree, **choices) as record:
        for step in range(4):
            new = {"Dense_0": {"kernel": kernel * step, "bias": np.full(2, float(step))}}
            record(step, new)
    runs = dld.open(tmp_path / "r.zarr")
    assert runs["parameter"].values.tolist() == ["Dense_0.kernel", "Dense_0.bias"]
    assert runs["weights"].values[0, :, 0].tolist() == [0, 2, 3]
    # Logits 0 and step × log 2, of which at the start both are 0.
    np.testing.assert_allclose(runs["outputs"].values[0, :, 0, 0], [1 / 2, 1 / 5, 1 / 9], rtol=1e-6)
    with pytest.raises(StoreError, match="int cannot be recorded"):
        dld.Recorder(tmp_path / "s.zarr", 5).__enter__()


# Outputs and scores


def test_outputs_are_those_of_evaluation_and_leave_training_as_it_was(tmp_path):
    network, probes = model().train(), torch.randn(6, 5)
    network[1].eval()  # frozen on purpose
    state = torch.get_rng_state()
    with dld.Recorder(
        tmp_path / "r.zarr", network, outputs=probes, labels=[0, 1, 2, 0, 1, 2]
    ) as record:
        record(0)
    assert torch.equal(state, torch.get_rng_state())
    assert [module.training for module in network] == [True, False, True, True]
    runs = dld.open(tmp_path / "r.zarr")
    expected = network.eval()(probes).softmax(dim=1).detach()
    np.testing.assert_allclose(runs["outputs"][0, 0], expected, atol=1e-7)
    assert runs["label"].values.tolist() == [0, 1, 2, 0, 1, 2]


def test_outputs_become_probabilities_once(tmp_path):
    """Logits by a softmax; probabilities and the logarithms of some are what they are."""
    network, probes = model(), torch.randn(6, 5)
    chances = network.eval()(probes).softmax(dim=1).detach()
    for name, outputs in {
        "logits": probes,
        "probabilities": lambda network: network(probes).softmax(dim=1),
        "half": lambda network: network(probes).softmax(dim=1).to(torch.bfloat16),
        "logarithms": lambda network: network(probes).log_softmax(dim=1),
    }.items():
        with dld.Recorder(tmp_path / f"{name}.zarr", network, outputs=outputs) as record:
            record(0)
        found = dld.open(tmp_path / f"{name}.zarr")["outputs"][0, 0]
        np.testing.assert_allclose(found, chances, atol=4e-3 if name == "half" else 1e-6)


@pytest.mark.parametrize("logits", [0.0, 0.4, 0.9])
def test_small_logits_are_logits(tmp_path, logits):
    """As those of a layer that starts at zero."""
    values = torch.tensor([[logits, logits, logits], [0.9, 0.1, 0.2]])
    with dld.Recorder(tmp_path / "r.zarr", model(), outputs=lambda _: values) as record:
        record(0)
    found = dld.open(tmp_path / "r.zarr")["outputs"][0, 0]
    np.testing.assert_allclose(found, values.softmax(dim=1), atol=1e-6)


def test_outputs_of_one_class_are_refused(tmp_path):
    with pytest.raises(StoreError, match=r"shape \(6, 1\); expected .* of two classes or more"):
        dld.Recorder(tmp_path / "r.zarr", model(), outputs=lambda _: torch.ones(6, 1)).__enter__()


@pytest.mark.parametrize(
    ("labels", "found"), [([0, 1], "2 entries"), ([], "0 entries"), ([0] * 7, "7 entries")]
)
def test_another_number_of_labels_than_of_probes_is_refused(tmp_path, labels, found):
    expected = rf"r.zarr: labels has {found}, outputs 6 probes; expected one label for each"
    record = dld.Recorder(tmp_path / "r.zarr", model(), outputs=torch.ones(6, 5), labels=labels)
    with pytest.raises(StoreError, match=expected):
        record(0)
    record.close()  # as a training does that goes on without it
    assert not (tmp_path / "r.zarr").exists()


def test_a_score_that_changes_later_is_kept_as_it_was(tmp_path):
    running = torch.zeros((), requires_grad=True) * 1
    with dld.Recorder(tmp_path / "r.zarr", model(), schedule=1) as record:
        for step in range(3):
            record(step, loss=running, accuracy=np.float32(step), missing=None)
            running.data += 1
    runs = dld.open(tmp_path / "r.zarr")
    assert runs["loss"].values.tolist() == [[0, 1, 2]]
    assert runs["accuracy"].values.tolist() == [[0, 1, 2]]
    assert "missing" not in runs


def test_what_is_no_score_and_steps_out_of_order_are_refused(tmp_path):
    with dld.Recorder(tmp_path / "r.zarr", model()) as record:
        record(3)
        with pytest.raises(StoreError, match="Score loss is 'low'; expected a number"):
            record(4, loss="low")
        with pytest.raises(StoreError, match="Step 3 was recorded after step 3"):
            record(3)
        with pytest.raises(StoreError, match="Step -1 is negative; expected 0"):
            record(-1)
    with pytest.raises(StoreError, match="'step' cannot be the name of a coordinate"):
        dld.Recorder(tmp_path / "s.zarr", model(), step=1)


@pytest.mark.parametrize("step", [0.5, 3.0, "3", None, torch.tensor(0.5)])
def test_a_step_that_is_no_whole_number_is_refused(tmp_path, step):
    with dld.Recorder(tmp_path / "r.zarr", model()) as record:
        record(np.int64(0))
        with pytest.raises(StoreError, match="is no whole number; expected the optimiser steps"):
            record(step)
        record(torch.tensor(1))
    assert dld.open(tmp_path / "r.zarr")["step"].values.tolist() == [[0, 1]]


def test_a_network_that_ends_without_finite_weights_has_diverged(tmp_path):
    network = model()
    with dld.Recorder(tmp_path / "r.zarr", network) as record:
        record(0)
        network[0].weight.data[0, 0] = torch.nan
        record(1)
    runs = dld.open(tmp_path / "r.zarr")
    assert runs["outcome"].values.tolist() == ["diverged"]
    assert runs["finite"].values.tolist() == [[True, False]]


# Writing beside the training


def test_training_goes_on_while_a_snapshot_is_written_and_waits_when_buffers_are_full(
    tmp_path, monkeypatch
):
    gate, waiting = threading.Event(), []
    add = recording.StoreWriter.add_to

    def slow(*arguments):
        gate.wait()
        add(*arguments)

    monkeypatch.setattr(recording.StoreWriter, "add_to", slow)
    network = model()
    with dld.Recorder(tmp_path / "r.zarr", network, schedule=1) as record:
        expected = train(record, network, recording.BUFFERS)  # returns though nothing is written

        def third():
            record(recording.BUFFERS)
            waiting.append("done")

        thread = threading.Thread(target=third)
        thread.start()
        time.sleep(0.1)
        assert not waiting  # memory is bounded
        gate.set()
        thread.join()
    np.testing.assert_array_equal(dld.open(tmp_path / "r.zarr")["weights"][0, :2], expected)


def test_an_error_of_the_writer_is_raised_in_the_training(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(recording.StoreWriter, "add_to", fail)
    record = dld.Recorder(tmp_path / "r.zarr", model(), schedule=1)
    record(0)
    time.sleep(0.1)  # the error reaches the training with a later step
    with pytest.raises(StoreError, match=r"could not be written .*No space left"):
        record(1)
    record.close()
    monkeypatch.undo()
    with dld.Recorder(tmp_path / "r.zarr", model(), schedule=1) as record:  # nobody holds it
        record(1)
    assert dld.open(tmp_path / "r.zarr")["step"].values.tolist() == [[1]]


def test_a_snapshot_reaches_the_disk_without_another_one(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "FLUSH_SECONDS", 0.05)
    with dld.Recorder(tmp_path / "r.zarr", model()) as record:
        record(0)
        until(lambda: dld.open(tmp_path / "r.zarr").sizes["snapshot"] == 1)
        assert dld.open(tmp_path / "r.zarr")["step"].values.tolist() == [[0]]


def test_the_last_step_is_not_kept_when_training_fails_in_it(tmp_path):
    network = model()

    def fail():
        with dld.Recorder(tmp_path / "r.zarr", network, schedule=10) as record:
            train(record, network, 15)
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    assert dld.open(tmp_path / "r.zarr")["step"].values.tolist() == [[0, 10]]


# Continuing, and many runs


def test_a_continued_training_replaces_what_came_after_its_checkpoint(tmp_path):
    network = model()
    with dld.Recorder(tmp_path / "r.zarr", network, schedule=2, group="adam", seed=0) as record:
        train(record, network, 8)
    other = model(1)
    with (
        pytest.warns(UserWarning, match="adam-0 goes on from step 4; 3 snapshots"),
        dld.Recorder(tmp_path / "r.zarr", other, schedule=2, group="adam", seed=0) as record,
    ):
        expected = train(record, other, 11, start=4)
    runs = dld.open(tmp_path / "r.zarr")
    assert runs["network"].values.tolist() == ["adam-0"]
    assert runs["step"].values.tolist() == [[0, 2, 4, 6, 8, 10]]
    np.testing.assert_array_equal(runs["weights"][0, 2:], expected[::2])


def test_runs_lie_in_one_store_one_after_the_other_or_in_many(tmp_path):
    for seed in range(3):
        network = model(seed)
        with dld.Recorder(tmp_path / "all.zarr", network, schedule=2, seed=seed) as record:
            train(record, network, 5 + 2 * seed)
        with dld.Recorder(tmp_path / f"run-{seed}.zarr", model(seed), schedule=2) as record:
            train(record, network, 5 + 2 * seed)
    together, apart = dld.open(tmp_path / "all.zarr"), dld.open(tmp_path / "run-*.zarr")
    assert together["network"].values.tolist() == ["0", "1", "2"]
    assert apart["network"].values.tolist() == ["run-0", "run-1", "run-2"]
    np.testing.assert_array_equal(together["step"], apart["step"])


ENDLESS = """
    import sys, torch
    import deep_learning_dynamics as dld
    from torch import nn

    network = nn.Linear(300, 300)
    with dld.Recorder(sys.argv[1], network, schedule=1) as record:
        for step in range(int(sys.argv[2]), 10**9):
            with torch.no_grad():
                network.weight.fill_(step), network.bias.fill_(step)
            record(step, loss=float(step))
"""


def test_a_killed_recording_ends_at_a_whole_snapshot_leaves_no_lock_and_goes_on(tmp_path):
    script, path = tmp_path / "train.py", tmp_path / "r.zarr"
    script.write_text(textwrap.dedent(ENDLESS))
    blocks, start = path / "weights" / "c" / "0", 0

    def count():
        return len(list(blocks.iterdir())) if blocks.is_dir() else 0

    for _ in range(2):
        before = count()
        process = subprocess.Popen([sys.executable, script, path, str(start)])
        until(lambda before=before: count() > before + 2)
        with pytest.raises(StoreError, match=f"is being written by process {process.pid}"):
            dld.Recorder(path, nn.Linear(300, 300)).__enter__()
        process.send_signal(signal.SIGKILL)
        process.wait()
        runs = dld.open(path)
        steps = runs["step"].values[0]
        assert steps.tolist() == list(range(len(steps)))
        assert len(steps) > start
        assert (runs["weights"][0].values == steps[:, None]).all()
        np.testing.assert_array_equal(runs["loss"].values[0], steps)
        start = len(steps)


def test_accuracies_in_percent_are_warned_of_and_not_analysed(tmp_path):
    path = tmp_path / "r.zarr"
    record = dld.Recorder(path, model(), schedule=100)
    record(0, test_accuracy=0.1)
    record(1, test_accuracy=87.3, test_loss=87.3)
    with pytest.warns(UserWarning, match=r"test_accuracy goes up to 87\.3; .*by 100"):
        record.close()
    runs = dld.open(path)
    for analyse in (dld.measure, dld.select):
        with pytest.raises(StoreError, match=r'expected shares .*runs\["test_accuracy"\] / 100'):
            analyse(runs)
    runs["test_accuracy"] = runs["test_accuracy"] / 100
    assert len(dld.select(runs)) == 2
