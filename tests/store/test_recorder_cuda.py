"""Recording on a GPU: copies are those of their step, though the training does not wait for them."""

import json
import subprocess
import sys
import textwrap
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn

import deep_learning_dynamics as dld
from deep_learning_dynamics.store import recorder as recording

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")
WIDTH = 1024


def model(seed=0, dtype=torch.float32):
    torch.manual_seed(seed)
    layers = [nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Dropout(), nn.Linear(WIDTH, 3)]
    return nn.Sequential(*layers).to("cuda", dtype)


def flat(network):
    """The weights on the GPU, copied in the order of its work."""
    return torch.cat([each.detach().float().reshape(-1) for each in network.parameters()])


@pytest.fixture
def busy():
    """Queues work of some tenths of a second, behind which all else waits."""
    square = torch.randn(4096, 4096, device="cuda") / 64

    def queue():
        result = square
        for _ in range(40):
            result = result @ square
        return result

    queue()
    torch.cuda.synchronize()
    return queue


def same(path, expected):
    """Assert that a store of one network has these weights, bit by bit."""
    stored = dld.open(path)["weights"].values[0]
    np.testing.assert_array_equal(stored, torch.stack(expected).cpu().numpy())


# The weights of a step


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("stream", ["default", "own"])
def test_updates_after_a_step_do_not_reach_its_snapshot(tmp_path, busy, dtype, stream):
    network, expected = model(dtype=dtype), []
    own = torch.cuda.stream(torch.cuda.Stream()) if stream == "own" else nullcontext()
    torch.cuda.synchronize()
    with own, dld.Recorder(tmp_path / "r.zarr", network, schedule=1) as record:
        for step in range(6):
            loss = busy().mul(0).sum() + step
            expected.append(flat(network))
            record(step, loss=loss)  # the GPU is still far behind
            with torch.no_grad():
                loss += 100
                for parameter in network.parameters():
                    parameter.mul_(-1.25).add_(1)
    same(tmp_path / "r.zarr", expected)
    runs = dld.open(tmp_path / "r.zarr")
    assert runs["loss"].values.tolist() == [[0, 1, 2, 3, 4, 5]]
    assert set(runs["dtype"].values) == {str(dtype).removeprefix("torch.")}


@pytest.mark.parametrize("stream", ["default", "own"])
def test_predictions_and_scores_are_those_of_the_step(tmp_path, busy, stream):
    network, probes = model().train(), torch.randn(5, WIDTH, device="cuda")
    expected = []
    own = torch.cuda.stream(torch.cuda.Stream()) if stream == "own" else nullcontext()
    torch.cuda.synchronize()
    choices = {"schedule": 1, "outputs": probes}
    with own, dld.Recorder(tmp_path / "r.zarr", network, **choices) as record:
        for step in range(4):
            busy()
            with torch.no_grad():
                expected.append(network.eval()(probes))
            network.train()
            record(step, loss=network[0].bias.sum() * 0 + step)
            with torch.no_grad():
                network[3].bias += 1
    runs = dld.open(tmp_path / "r.zarr")
    np.testing.assert_array_equal(runs["outputs"][0], torch.stack(expected).cpu().numpy())
    assert runs["loss"].values.tolist() == [[0, 1, 2, 3]]


def test_replays_of_a_cuda_graph_do_not_reach_a_snapshot(tmp_path):
    network = model()
    optimiser = torch.optim.Adam(network.parameters(), 0.01, capturable=True)
    inputs = torch.randn(64, WIDTH, device="cuda")
    static = torch.zeros((), device="cuda")

    def update():
        optimiser.zero_grad(set_to_none=True)
        loss = network(inputs).square().mean()
        loss.backward()
        optimiser.step()
        static.copy_(loss.detach())

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            update()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        update()
    expected, losses = [], []
    with dld.Recorder(tmp_path / "r.zarr", network, schedule=10) as record:
        for step in range(101):
            if step % 10 == 0:
                expected.append(flat(network))
                losses.append(static.clone())
            record(step, loss=static)  # overwritten by the next replay
            graph.replay()
    same(tmp_path / "r.zarr", expected)
    runs = dld.open(tmp_path / "r.zarr")
    np.testing.assert_array_equal(runs["loss"].values[0], torch.stack(losses).cpu().numpy())
    assert not torch.equal(expected[0], expected[1])


# Ways to train


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_a_compiled_model_in_mixed_precision(tmp_path, mode):
    bare = model()
    network = torch.compile(bare, mode=mode)
    optimiser = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
    scaler = torch.amp.GradScaler("cuda")
    inputs, expected = torch.randn(64, WIDTH, device="cuda"), []
    with dld.Recorder(tmp_path / "r.zarr", network, schedule=2, outputs=inputs[:4]) as record:
        for step in range(7):
            with torch.autocast("cuda", torch.float16):
                loss = network(inputs).float().square().mean()
            if step % 2 == 0:
                expected.append(flat(bare))
            record(step, loss=loss)
            scaler.scale(loss).backward()
            scaler.step(optimiser)
            scaler.update()
            optimiser.zero_grad()
    same(tmp_path / "r.zarr", expected)
    runs = dld.open(tmp_path / "r.zarr")
    assert runs["parameter"].values.tolist() == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert np.isfinite(runs["outputs"]).all()
    assert not torch.equal(expected[0], expected[-1])


def test_tied_weights_and_views_are_kept_once_and_whole(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(70, 40)
            self.head = nn.Linear(40, 70, bias=False)
            self.head.weight = self.embedding.weight
            self.turned = nn.Parameter(torch.randn(30, 20).T)  # not contiguous

    network = Tied().cuda()
    with dld.Recorder(tmp_path / "r.zarr", network) as record:
        record(0)
    runs = dld.open(tmp_path / "r.zarr")
    assert runs["parameter"].values.tolist() == ["turned", "embedding.weight"]
    same(tmp_path / "r.zarr", [flat(network)])


DISTRIBUTED = """
    import sys, warnings
    warnings.simplefilter("ignore")
    import torch, torch.distributed as dist
    from torch import nn
    from torch.nn.parallel import DistributedDataParallel
    from torch.distributed.fsdp import fully_shard
    import deep_learning_dynamics as dld

    folder = sys.argv[1]
    torch.cuda.set_device(0)
    store = dist.FileStore(f"{folder}/rendezvous", 1)
    dist.init_process_group("nccl", store=store, rank=0, world_size=1)
    for kind in ("ddp", "fsdp"):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(50, 40), nn.ReLU(), nn.Linear(40, 3)).cuda()
        if kind == "ddp":
            network = DistributedDataParallel(network, device_ids=[0])
        else:
            mesh = dist.device_mesh.init_device_mesh("cuda", (1,))
            fully_shard(network[0], mesh=mesh); fully_shard(network, mesh=mesh)
        optimiser = torch.optim.SGD(network.parameters(), 0.1)
        inputs = torch.ones(20, 50, device="cuda")
        choices = {"schedule": 2, "outputs": inputs[:2]}
        with dld.Recorder(f"{folder}/{kind}.zarr", network, **choices) as record:
            for step in range(5):
                loss = network(inputs).square().mean()
                record(step, loss=loss)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
    dist.destroy_process_group()
"""


def test_distributed_training_of_one_process(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(DISTRIBUTED))
    subprocess.run([sys.executable, script, tmp_path], check=True, timeout=300)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(50, 40), nn.ReLU(), nn.Linear(40, 3)).cuda()
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    inputs, expected, outputs = torch.ones(20, 50, device="cuda"), [], []
    for _ in range(5):
        expected.append(flat(network))
        outputs.append(network(inputs[:2]).detach())
        optimiser.zero_grad()
        network(inputs).square().mean().backward()
        optimiser.step()
    for kind in ("ddp", "fsdp"):
        runs = dld.open(tmp_path / f"{kind}.zarr")
        assert runs["parameter"].values.tolist() == ["0.weight", "0.bias", "2.weight", "2.bias"]
        assert runs["step"].values.tolist() == [[0, 2, 4]]
        stored = torch.from_numpy(runs["weights"].values[0])
        assert torch.equal(stored[0], expected[0].cpu())
        torch.testing.assert_close(stored, torch.stack(expected[::2]).cpu(), rtol=1e-5, atol=1e-6)
        predicted = torch.from_numpy(runs["outputs"].values[0])
        torch.testing.assert_close(predicted, torch.stack(outputs[::2]).cpu(), rtol=1e-4, atol=1e-5)
        assert json.loads(runs.attrs["environment"])["device"] == torch.cuda.get_device_name()


# The machine


def test_the_store_names_the_gpu_and_memory_stays_bounded(tmp_path):
    network = model()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    pinned = torch.cuda.host_memory_stats()["allocated_bytes.current"]
    with dld.Recorder(tmp_path / "r.zarr", network, schedule=1) as record:
        for step in range(20):
            record(step, loss=network[0].bias.sum())
    size = sum(each.numel() for each in network.parameters()) * 4
    assert torch.cuda.max_memory_allocated() - before < size / 10
    most = torch.cuda.host_memory_stats()["allocated_bytes.peak"] - pinned
    assert most < 2.5 * recording.BUFFERS * size  # rounded up to powers of two
    runs = dld.open(tmp_path / "r.zarr")
    assert json.loads(runs.attrs["environment"])["device"] == torch.cuda.get_device_name()
    with dld.Recorder(tmp_path / "s.zarr", dict(network.state_dict())) as record:
        record(0)
    runs = dld.open(tmp_path / "s.zarr")
    assert json.loads(runs.attrs["environment"])["device"] == torch.cuda.get_device_name()
    same(tmp_path / "s.zarr", [flat(network)])
