"""Checkpoints written by the real libraries are read exactly; unsafe and damaged ones are refused."""

import json
import pickle
import zipfile

import numpy as np
import pytest

from deep_learning_dynamics.errors import CheckpointError
from deep_learning_dynamics.store import score_names
from deep_learning_dynamics.store.collecting import collect
from deep_learning_dynamics.store.collecting.checkpoint import Options, open_checkpoint
from deep_learning_dynamics.store.sources import source_of

torch = pytest.importorskip("torch")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))


def contents(path, **options):
    with open_checkpoint(path, Options(**options)) as checkpoint:
        return {name: checkpoint.read(name) for name in checkpoint.tensors}, checkpoint.step


def assert_holds(path, model, **options):
    found, step = contents(path, **options)
    expected = {name: value.numpy() for name, value in model.state_dict().items()}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    return step


# torch


def test_a_state_dict_of_torch(tmp_path, model):
    torch.save(model.state_dict(), tmp_path / "step_3.pt")
    assert assert_holds(tmp_path / "step_3.pt", model) is None


def test_a_nested_checkpoint_knows_its_step_and_scores(tmp_path, model):
    path = tmp_path / "last.pth"
    torch.save({"step": 12, "loss": 0.5, "model": model.state_dict(), "optim": {}}, path)
    assert assert_holds(path, model) == 12
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.scores == {"loss": 0.5}


def test_a_key_names_the_weights_that_are_wanted(tmp_path, model):
    other = torch.nn.Linear(2, 2)
    content = {"ema": {"weights": model.state_dict()}, "model": other.state_dict()}
    torch.save(content, tmp_path / "a.pt")
    assert_holds(tmp_path / "a.pt", model, key="ema.weights")
    assert_holds(tmp_path / "a.pt", other)
    with pytest.raises(CheckpointError, match="no tensors under the key 'nothing'"):
        contents(tmp_path / "a.pt", key="nothing")


def test_prefixes_of_wrappers_are_stripped_repeatedly(tmp_path, model):
    wrapped = {f"module._orig_mod.module.{k}": v for k, v in model.state_dict().items()}
    torch.save(wrapped, tmp_path / "a.pt")
    assert_holds(tmp_path / "a.pt", model)


def test_names_are_those_that_a_recorder_gives_wherever_the_wrapper_stands(tmp_path):
    class Wrapping(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.module = torch.nn.Linear(2, 2)  # somebody's own name
            self.inner = torch.compile(torch.nn.Linear(2, 2))

    network = torch.nn.Sequential(Wrapping())
    torch.save(network.state_dict(), tmp_path / "a.pt")
    recorded = source_of(network, "all").parameters.names
    assert set(contents(tmp_path / "a.pt")[0]) == set(recorded)
    assert "0.inner.weight" in recorded


def test_bfloat16_is_widened_exactly(tmp_path):
    values = torch.tensor([1.0, -2.5, 3.1415927, 1e-30]).bfloat16()
    torch.save({"w": values}, tmp_path / "a.pt")
    np.testing.assert_array_equal(contents(tmp_path / "a.pt")[0]["w"], values.float().numpy())


def test_the_format_before_torch_1_6(tmp_path, model):
    path = tmp_path / "old.pt"
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)
    assert_holds(path, model)


class Trap:
    """Would create a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_malicious_pickle_is_refused_and_not_executed(tmp_path, model):
    torch.save({"model": model.state_dict(), "x": Trap(tmp_path / "owned")}, tmp_path / "bad.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Trap(tmp_path / "owned")))
    for name in ("bad.pt", "raw.pt"):
        with pytest.raises(CheckpointError, match=name):
            contents(tmp_path / name)
    assert not (tmp_path / "owned").exists()
    torch.save(model.state_dict(), tmp_path / "good.pt")
    assert_holds(tmp_path / "good.pt", model)  # the reading process lives on


def test_a_whole_pickled_model_is_refused_with_how_to_export(tmp_path, model):
    torch.save(model, tmp_path / "whole.pt")
    with pytest.raises(CheckpointError, match=r"torch.nn.modules.*state_dict\(\)"):
        contents(tmp_path / "whole.pt")


def test_torchscript_is_refused_with_how_to_export(tmp_path, model):
    torch.jit.trace(model, torch.zeros(1, 3)).save(tmp_path / "script.pt")
    with pytest.raises(CheckpointError, match="state_dict"):
        contents(tmp_path / "script.pt")


def test_a_small_storage_that_claims_to_be_huge_is_refused(tmp_path):
    torch.save({"w": torch.zeros(1).expand(2**40)}, tmp_path / "bomb.pt")
    with pytest.raises(CheckpointError, match="more than the whole file holds"):
        contents(tmp_path / "bomb.pt")


def test_a_truncated_file_of_torch_is_refused(tmp_path, model):
    torch.save(model.state_dict(), tmp_path / "whole.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:-200])
    with pytest.raises(CheckpointError, match=r"cut\.pt"):
        contents(tmp_path / "cut.pt")


# Lightning


def test_a_checkpoint_of_lightning(tmp_path):
    import lightning
    from torch.utils.data import DataLoader, TensorDataset

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = torch.nn.Linear(3, 1)

        def training_step(self, batch, index):
            return self.net(batch[0]).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    module = Module()
    trainer = lightning.Trainer(
        max_steps=3, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, DataLoader(TensorDataset(torch.ones(8, 3)), batch_size=2))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    assert assert_holds(tmp_path / "last.ckpt", module) == 3


# safetensors


def test_safetensors_of_the_real_library(tmp_path, model):
    from safetensors.torch import save_file

    path = tmp_path / "step_1.safetensors"
    save_file(model.state_dict(), path, metadata={"step": "7"})
    assert assert_holds(path, model) == 7


def write_shards(folder, model):
    from safetensors.torch import save_file

    weights = {}
    for number, (name, value) in enumerate(model.state_dict().items()):
        save_file({name: value}, folder / f"model-{number}.safetensors")
        weights[name] = f"model-{number}.safetensors"
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weights}))
    return index, weights


def test_sharded_safetensors(tmp_path, model):
    index, _ = write_shards(tmp_path, model)
    assert_holds(index, model)
    assert_holds(tmp_path, model)


@pytest.mark.parametrize("outside", ["../secret.safetensors", "/etc/passwd", "sub/x.safetensors"])
def test_an_index_that_leads_out_of_its_folder_is_refused(tmp_path, model, outside):
    index, weights = write_shards(tmp_path, model)
    index.write_text(json.dumps({"weight_map": weights | {"x": outside}}))
    with pytest.raises(CheckpointError, match="outside of its folder"):
        contents(index)


def test_a_missing_shard_is_named(tmp_path, model):
    index, _ = write_shards(tmp_path, model)
    (tmp_path / "model-2.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model-2\.safetensors does not exist"):
        contents(index)


@pytest.mark.parametrize(
    "header",
    [
        b"\xff" * 8,  # a header longer than any memory
        (2).to_bytes(8, "little") + b"{x",
        (5).to_bytes(8, "little") + b"[[[[[",
    ],
)
def test_a_wrong_header_of_safetensors_is_refused(tmp_path, header):
    (tmp_path / "a.safetensors").write_bytes(header)
    with pytest.raises(CheckpointError, match="damaged or cut off"):
        contents(tmp_path / "a.safetensors")


@pytest.mark.parametrize("entry", [[0, 4], [0, 2**40], [-4, 4], [8, 4]])
def test_offsets_of_safetensors_outside_the_file_are_refused(tmp_path, entry):
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": entry}}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"0000")
    with pytest.raises(CheckpointError, match="damaged or cut off"):
        contents(tmp_path / "a.safetensors")


# Hugging Face


def test_a_checkpoint_of_a_trainer_brings_its_scores_and_opens_no_pickle(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path / "checkpoint-20"
    config = GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=10, n_positions=4)
    gpt = GPT2LMHeadModel(config)
    gpt.save_pretrained(folder)
    history = [{"step": 10, "loss": 2.0}, {"step": 20, "eval_loss": 1.5, "epoch": 1.0}]
    state = {"global_step": 20, "log_history": history}
    (folder / "trainer_state.json").write_text(json.dumps(state))
    (folder / "optimizer.pt").write_bytes(pickle.dumps(Trap(tmp_path / "owned")))
    (folder / "training_args.bin").write_bytes(pickle.dumps(Trap(tmp_path / "owned")))
    with open_checkpoint(folder) as checkpoint:
        assert checkpoint.step == 20
        assert checkpoint.scores == {"eval_loss": 1.5, "epoch": 1.0}
        assert "lm_head.weight" not in checkpoint.tensors  # tied to the embedding
        found = checkpoint.read("transformer.wte.weight")
    np.testing.assert_array_equal(found, gpt.transformer.wte.weight.detach().numpy())
    assert not (tmp_path / "owned").exists()


def test_what_a_trainer_logs_of_its_own_work_is_no_score(tmp_path, model):
    from safetensors.torch import save_file

    for step in (2, 4):
        folder = tmp_path / "run" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        save_file(model.state_dict(), folder / "model.safetensors")
        history = [
            {"step": 2, "loss": 2.0, "grad_norm": 0.1, "learning_rate": 5e-5, "epoch": 0.5},
            {"step": 2, "eval_loss": 1.5, "eval_runtime": 9.0, "eval_steps_per_second": 3.0},
            {"step": 4, "loss": 1.0, "num_input_tokens_seen": 80, "epoch": 1.0},
            {"step": 4, "eval/top-1": 0.5, "eval_mem_cpu_alloc_delta": 7},
            {"step": 4, "train_runtime": 20.0, "total_flos": 1e9, "train_loss": 1.5},
        ]
        state = {"global_step": step, "log_history": history}
        (folder / "trainer_state.json").write_text(json.dumps(state))
    expected = {
        2: {"loss": 2.0, "eval_loss": 1.5, "epoch": 0.5},
        4: {"loss": 1.0, "eval_top_1": 0.5, "epoch": 1.0},
    }
    for step, scores in expected.items():
        with open_checkpoint(tmp_path / "run" / f"checkpoint-{step}") as checkpoint:
            assert checkpoint.scores == scores
    state = str(tmp_path / "run" / "checkpoint-4" / "trainer_state.json")
    for choice in ({}, {"scores": state}):
        runs = collect(tmp_path / "run", tmp_path / "runs.zarr", **choice)
        assert score_names(runs) == ["epoch", "eval_loss", "eval_top_1", "loss"]
        assert runs["loss"].values.tolist() == [[2.0, 1.0]]


def test_a_lora_adapter_is_read_as_the_change_of_its_matrix(tmp_path, model):
    import peft

    torch.manual_seed(1)
    config = peft.LoraConfig(r=2, lora_alpha=6, target_modules=["1"], init_lora_weights=False)
    adapted = peft.get_peft_model(model, config)
    adapted.save_pretrained(tmp_path / "adapter")
    before = model[1].base_layer.weight.detach().numpy().copy()
    merged = adapted.merge_and_unload()[1].weight.detach().numpy()
    found, _ = contents(tmp_path / "adapter")
    np.testing.assert_allclose(found["1.weight"], merged - before, atol=1e-6)
    assert {name[-13:] for name in contents(tmp_path / "adapter", lora="factors")[0]} == {
        "lora_A.weight", "lora_B.weight",
    }  # fmt: skip


# Keras, arrays, Orbax


def test_weights_and_archives_of_keras(tmp_path):
    import os

    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    net = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, name="d")])
    net.compile("adam", "mse")
    net.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    net.save_weights(tmp_path / "a.weights.h5")
    net.save(tmp_path / "a.keras")
    kernel, bias = (
        np.asarray(w.detach() if hasattr(w, "detach") else w) for w in net.get_weights()
    )
    for name in ("a.weights.h5", "a.keras"):
        found, _ = contents(tmp_path / name)
        arrays = sorted(found.values(), key=np.ndim)
        assert len(arrays) == 2  # nothing of the optimiser
        np.testing.assert_array_equal(arrays[0], bias)
        np.testing.assert_array_equal(arrays[1], kernel)


def test_a_link_out_of_an_hdf5_file_is_refused(tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.weights.h5", "w") as file:
        file["w"] = h5py.ExternalLink("/etc/hostname", "/x")
    with pytest.raises(CheckpointError, match="a link to somewhere else"):
        contents(tmp_path / "a.weights.h5")


def test_a_zip_bomb_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", b"\0" * 20_000_000)
    with pytest.raises(CheckpointError, match="would grow"):
        contents(tmp_path / "a.keras")


def test_archives_of_numpy(tmp_path):
    weights = np.arange(6.0).reshape(2, 3)
    np.savez(tmp_path / "a.npz", w=weights, step=np.int64(5))
    found, step = contents(tmp_path / "a.npz")
    np.testing.assert_array_equal(found["w"], weights)
    assert step == 5


def test_an_array_of_objects_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.array([Trap(tmp_path / "owned")], dtype=object))
    with pytest.raises(CheckpointError, match="Python objects"):
        contents(tmp_path / "a.npz")
    assert not (tmp_path / "owned").exists()


def test_an_array_that_claims_more_than_it_holds_is_refused(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }"
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("w.npy", data)
    with pytest.raises(CheckpointError, match="fewer bytes"):
        contents(tmp_path / "a.npz")


def test_a_zarr_group_of_anyone(tmp_path):
    import zarr

    group = zarr.create_group(tmp_path / "step_4")
    group.create_array("block/w", data=np.eye(3, dtype=np.float32))
    np.testing.assert_array_equal(contents(tmp_path / "step_4")[0]["block.w"], np.eye(3))


def test_a_checkpoint_of_orbax(tmp_path):
    orbax = pytest.importorskip("orbax.checkpoint")
    tree = {"dense": {"kernel": np.eye(3, dtype=np.float32), "bias": np.ones(3, np.float32)}}
    orbax.PyTreeCheckpointer().save(tmp_path / "step_9", tree)
    found, _ = contents(tmp_path / "step_9")
    np.testing.assert_array_equal(found["dense.kernel"], np.eye(3))
    (tmp_path / "step_9" / "link").symlink_to("/etc/hostname")
    with pytest.raises(CheckpointError, match="leads out of the checkpoint"):
        contents(tmp_path / "step_9")


def test_what_would_be_executed_is_refused_with_how_to_export(tmp_path):
    (tmp_path / "model.joblib").write_bytes(pickle.dumps(Trap(tmp_path / "owned")))
    with pytest.raises(CheckpointError, match=r"numpy\.savez"):
        contents(tmp_path / "model.joblib")
    folder = tmp_path / "dcp"
    folder.mkdir()
    (folder / ".metadata").write_bytes(b"x")
    (folder / "__0_0.distcp").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="dcp_to_torch"):
        contents(folder)


def test_an_unknown_file_and_a_missing_one(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    for name in ("a.txt", "missing.pt"):
        with pytest.raises(CheckpointError, match=name):
            contents(tmp_path / name)
