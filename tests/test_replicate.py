"""Making a run again: what is the same, what differs and why, and a workspace that is left whole.

The small project has two stages of its own, which real DVC runs; its run lies in a real MLflow
store. The last test does the same with the whole pipeline.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from project_copy import SMALL, ProjectCopy
from project_folder import finished_project
from ruamel.yaml import YAML

from deep_learning_dynamics.lab.likeness import SAME, compare
from deep_learning_dynamics.lab.locks import causes, read_lock

PIPELINE = """
stages:
  fetch:
    cmd: python fetch.py
    deps: [fetch.py]
    outs: [data/mnist.npz]
  train:
    cmd: python train.py
    deps: [data/mnist.npz, train.py]
    params: [train.learning_rate]
    outs: [timings/train.json]
    metrics: [metrics/train.json]
"""
FETCH = """
import numpy as np
from pathlib import Path
value = float(Path("../source.txt").read_text())
np.savez("data/mnist.npz", images=np.array([value, 1.0]))
"""
TRAIN = """
import json, os, time
from pathlib import Path
import numpy as np
from ruamel.yaml import YAML
if Path("../slow").exists():
    Path("../started").touch()
    time.sleep(60)
rate = YAML(typ="safe").load(Path("params.yaml"))["train"]["learning_rate"]
score = rate * float(np.load("data/mnist.npz")["images"].sum())
scores = {"test_accuracy": {"median": score, "minimum": score, "maximum": score}, "failed": 0}
Path("metrics/train.json").write_text(json.dumps({"scratch": scores}))
Path("timings/train.json").write_text(json.dumps({"seconds": time.time()}))
"""


class Small:
    """A project of two stages with one run in its store."""

    def __init__(self, folder: Path) -> None:
        self.root = finished_project(folder / "project", arms=["scratch"], methods=["pca"]).root
        (folder / "source.txt").write_text("0.5")
        (self.root / "dvc.yaml").write_text(PIPELINE)
        (self.root / "dvc.lock").unlink()
        (self.root / "fetch.py").write_text(FETCH)
        (self.root / "train.py").write_text(TRAIN)
        (self.root / ".gitignore").write_text("/data\n/metrics\n/mlruns\n/timings\n/.dvc/tmp\n")
        for command in (
            ["git", "init", "--quiet"],
            ["dvc", "init", "--quiet"],
            ["dvc", "repro"],
            ["git", "add", "--all"],
            ["git", "commit", "--quiet", "--message", "the project"],
        ):
            done = self.run(*command)
            assert done.returncode == 0, done.stdout
        assert self.dynamics("track").returncode == 0

    def run(self, *command: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            command,
            cwd=self.root,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )

    def dynamics(self, *arguments: str) -> subprocess.CompletedProcess:
        code = "from deep_learning_dynamics.cli import app; app()"
        return self.run(sys.executable, "-c", code, *arguments)

    def set_rate(self, rate: float) -> None:
        yaml, path = YAML(), self.root / "params.yaml"
        content = yaml.load(path)
        content["train"]["learning_rate"] = rate
        yaml.dump(content, path)

    @property
    def rate(self) -> float:
        return YAML().load(self.root / "params.yaml")["train"]["learning_rate"]


def environment() -> dict[str, str]:
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DYNAMICS_"))}
    for who in ("AUTHOR", "COMMITTER"):
        mine |= {f"GIT_{who}_NAME": "Ada", f"GIT_{who}_EMAIL": "ada@example.org"}
    return mine | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return Small(tmp_path_factory.mktemp("replicate"))


@pytest.fixture
def small(original):
    """The project as it was committed, whatever a test did to it."""
    yield original
    (original.root.parent / "source.txt").write_text("0.5")
    for name in ("slow", "started"):
        (original.root.parent / name).unlink(missing_ok=True)
    original.run("git", "checkout", "--quiet", ".")
    original.run("dvc", "checkout", "--quiet")


def verdict(done: subprocess.CompletedProcess) -> str:
    return done.stdout.strip().splitlines()[-1]


def test_a_run_replicates_itself_and_is_really_computed_again(small):
    seconds = (small.root / "timings/train.json").read_text()
    done = small.dynamics("replicate", "latest")
    assert done.returncode == 0, done.stdout
    assert verdict(done).startswith("Replicated: all 2 outputs of ")
    assert verdict(done).endswith("are identical.")
    assert "Running stage 'train'" in done.stdout
    assert (small.root / "timings/train.json").read_text() != seconds
    assert "environment    the same" in done.stdout
    commit = small.run("git", "rev-parse", "HEAD").stdout[:10]
    assert f"commit         {commit} (as committed), the same now" in done.stdout


def test_parameters_that_are_not_committed_are_kept_unless_forced(small):
    small.set_rate(0.7)
    before = (small.root / "params.yaml").read_bytes()
    done = small.dynamics("replicate", "latest")
    assert done.returncode == 1
    assert "train.learning_rate is 0.7, 0.1 in the run" in verdict(done)
    assert verdict(done).startswith("error: ")
    assert "Running stage" not in done.stdout
    assert (small.root / "params.yaml").read_bytes() == before

    kept = small.dynamics("replicate", "latest", "--keep-params")
    assert kept.returncode == 1
    assert verdict(kept).startswith("Not replicated: 1 of 2 outputs of ")
    assert verdict(kept).endswith("Reason: parameter train.learning_rate: 0.1 then, 0.7 now.")
    # 0.15 was logged, 1.05 is found.
    assert "metrics/train.json" in kept.stdout
    assert "different: largest difference 0.9 (0.9 of the largest number)" in kept.stdout
    assert (small.root / "params.yaml").read_bytes() == before

    forced = small.dynamics("replicate", "latest", "--force")
    assert forced.returncode == 0, forced.stdout
    assert "params.yaml: train.learning_rate becomes 0.1; it is 0.7" in forced.stdout
    assert verdict(forced).startswith("Replicated: all 2")
    assert small.rate == 0.1


def test_committed_parameters_are_replaced_by_those_of_the_run(small):
    small.set_rate(0.7)
    small.run("git", "commit", "--quiet", "--all", "--message", "another rate")
    try:
        done = small.dynamics("replicate", "latest")
        assert done.returncode == 0, done.stdout
        assert small.rate == 0.1
    finally:
        small.run("git", "reset", "--quiet", "--hard", "HEAD~1")


def test_a_changed_line_of_code_is_named_as_the_reason(small):
    path = small.root / "train.py"
    path.write_text(TRAIN.replace("score = rate *", "score = 2 * rate *"))
    done = small.dynamics("replicate", "latest")
    assert done.returncode == 1
    commit = small.run("git", "rev-parse", "HEAD").stdout[:10]
    assert verdict(done).endswith(f"Reason: code: train.py (1 line since {commit}).")

    path.write_text("# a comment\n" + TRAIN)
    done = small.dynamics("replicate", "latest")
    assert done.returncode == 0
    assert "are identical although there differ: code: train.py (1 line" in verdict(done)


def test_changed_data_are_named_as_the_reason(small):
    (small.root.parent / "source.txt").write_text("0.75")
    done = small.dynamics("replicate", "latest")
    assert done.returncode == 1
    assert "Not replicated: 2 of 2 outputs" in verdict(done)
    assert "Reason: data: data/mnist.npz" in verdict(done)
    assert "code" not in verdict(done)


def test_numbers_that_differ_by_rounding_replicate_and_are_told(small):
    (small.root.parent / "source.txt").write_text("0.5000001")
    done = small.dynamics("replicate", "latest")
    assert done.returncode == 0, done.stdout
    assert verdict(done).startswith("Replicated within rounding: 2 of 2 outputs of ")
    assert "within rounding: largest difference 1e-07 (1e-07 of" in done.stdout


@pytest.mark.parametrize("committed", [True, False])
def test_ctrl_c_leaves_the_workspace_as_it_was(small, committed):
    small.set_rate(0.7)
    if committed:
        small.run("git", "commit", "--quiet", "--all", "--message", "another rate")
    names = ["params.yaml", "dvc.lock", "metrics/train.json", "data/mnist.npz"]
    before = {name: (small.root / name).read_bytes() for name in names}
    (small.root.parent / "slow").touch()
    code = "from deep_learning_dynamics.cli import app; app()"
    force = [] if committed else ["--force"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, "replicate", "latest", *force],
        cwd=small.root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    end = time.monotonic() + 60
    while not (small.root.parent / "started").exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "the stage did not start"
        time.sleep(0.1)
    assert (small.root / "params.yaml").read_bytes() != before["params.yaml"]
    os.killpg(process.pid, signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130, output
    assert "interrupted; params.yaml is as it was" in output.strip().splitlines()[-1]
    assert {name: (small.root / name).read_bytes() for name in names} == before
    if committed:
        small.run("git", "reset", "--quiet", "--hard", "HEAD~1")


class TestLikeness:
    """What two versions of an output have in common, for each kind of file."""

    ARRAY = np.linspace(1, 2, 50)

    def write(self, path: Path, values: np.ndarray) -> None:
        match path.suffix:
            case ".json":
                path.write_text(json.dumps({"a": {"b": values.tolist()}, "name": "x"}))
            case ".npz":
                np.savez(path, values=values)
            case ".parquet":
                pd.DataFrame({"arm": "scratch", "x": values}).to_parquet(path)
            case ".zarr":
                import zarr

                group = zarr.open_group(path, mode="w")
                group.create_array("weights", data=values.reshape(5, 10), chunks=(1, 10))

    @pytest.mark.parametrize("suffix", [".json", ".npz", ".parquet", ".zarr"])
    def test_rounding_is_told_from_a_difference(self, tmp_path, suffix):
        paths = [tmp_path / f"{n}{suffix}" for n in range(4)]
        offset = np.zeros(50)
        offset[-1] = 1.0
        for path, size in zip(paths, (0.0, 0.0, 1e-8, 0.5), strict=True):
            self.write(path, self.ARRAY + size * offset)
        one, same, rounded, other = paths
        assert compare(one, same) == SAME
        found = compare(one, rounded)
        assert found.within_rounding
        assert found.absolute == pytest.approx(1e-8, rel=1e-3)
        found = compare(one, other)
        assert not found.within_rounding
        assert found.absolute == pytest.approx(0.5)
        assert found.difference == pytest.approx(0.2)  # the largest number is 2.5

    @pytest.mark.parametrize("suffix", [".npz", ".parquet", ".zarr"])
    def test_a_number_that_became_not_finite_is_a_difference(self, tmp_path, suffix):
        one, other = tmp_path / f"1{suffix}", tmp_path / f"2{suffix}"
        values = self.ARRAY.copy()
        values[3] = np.nan
        self.write(one, self.ARRAY)
        self.write(other, values)
        assert not compare(one, other).within_rounding
        assert compare(other, other) == SAME

    def test_text_shapes_and_missing_files_are_differences(self, tmp_path):
        one, other = tmp_path / "one", tmp_path / "other"
        for folder in (one, other):
            folder.mkdir()
            (folder / "a.json").write_text('{"method": "pca"}')
            np.savez(folder / "b.npz", x=np.ones(3))
        assert compare(one, other).within_rounding
        (other / "a.json").write_text('{"method": "som"}')
        assert "a.json: method" in str(compare(one, other))
        (other / "a.json").write_text('{"method": "pca"}')
        np.savez(other / "b.npz", x=np.ones(4))
        assert "b.npz: x has shape (3,), now (4,)" in str(compare(one, other))
        (other / "b.npz").unlink()
        assert "b.npz is in only one of them" in str(compare(one, other))

    def test_a_picture_counts_only_where_no_number_differs(self, tmp_path):
        for number, name in enumerate(("one", "other")):
            (tmp_path / name).mkdir()
            Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / name / "p.png")
        one, other = tmp_path / "one", tmp_path / "other"
        assert "p.png (a picture)" in str(compare(one, other))
        (one / "n.json").write_text("[1.0]")
        (other / "n.json").write_text("[1.00000001]")
        assert compare(one, other).within_rounding


def test_causes_are_read_from_two_locks(tmp_path):
    def lock(name: str, rate: float, code: str, data: str, seconds: str) -> Path:
        stages = {
            "fetch@mnist": {
                "deps": [{"path": "fetch.py", "md5": "f"}],
                "outs": [{"path": "data/mnist.npz", "md5": data}],
            },
            "train": {
                "deps": [
                    {"path": "data/mnist.npz", "md5": data},
                    {"path": "train.py", "md5": code},
                    {"path": "params.yaml", "md5": name},
                ],
                "params": {"params.yaml": {"train": {"learning_rate": rate}}},
                "outs": [{"path": "timings/t.json", "md5": seconds}],
            },
            "track": {"deps": [{"path": "other.py", "md5": name}]},
        }
        path = tmp_path / name
        path.write_text(json.dumps({"schema": "2.0", "stages": stages}))
        return path

    first = read_lock(lock("first", 0.1, "c", "d", "1"))
    assert first.outputs == {"data/mnist.npz": "d"}
    assert not causes(first, read_lock(lock("same", 0.1, "c", "d", "2")))
    found = causes(first, read_lock(lock("other", 0.2, "C", "D", "1")))
    assert found.parameters == {"train.learning_rate": (0.1, 0.2)}
    assert found.code == ("train.py",)
    assert found.data == ("data/mnist.npz",)


@pytest.mark.pipeline
def test_the_whole_pipeline_replicates_bit_for_bit_and_a_changed_line_is_named(tmp_path):
    copy = ProjectCopy.make(tmp_path / "project")
    copy.change(SMALL | {"data.sources": ["embedded"], "project.methods": ["pca"]})
    copy.commit("small")
    assert copy.repro().status == 0
    params = (copy.folder / "params.yaml").read_bytes()
    done = copy.run("dynamics", "replicate", "latest")
    assert done.status == 0, done.output
    assert {"fetch@mnist", "pretrain", "train", "project@pca", "sheet"} <= set(done.stages)
    last = done.output.strip().splitlines()[-1]
    assert last.startswith("Replicated: all ")
    assert last.endswith("are identical.")
    assert (copy.folder / "params.yaml").read_bytes() == params

    path = copy.folder / "src" / "deep_learning_dynamics" / "projection" / "isometry.py"
    text = path.read_text()
    assert "return " in text
    path.write_text(text + "\n\ndef unused() -> None:\n    pass\n")
    trajectories = copy.folder / "src" / "deep_learning_dynamics" / "networks.py"
    changed = trajectories.read_text()
    assert "def initial_weights" in changed
    trajectories.write_text(
        changed + "\n\n_same = initial_weights\n\n\n"
        "def initial_weights(*arguments):\n    return 1.5 * _same(*arguments)\n"
    )
    done = copy.run("dynamics", "replicate", "latest")
    assert done.status == 1
    last = done.output.strip().splitlines()[-1]
    assert "Not replicated" in last
    assert "code: src/deep_learning_dynamics/networks.py" in last
    assert "parameter" not in last
    assert "data" not in last
