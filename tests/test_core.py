"""The core needs neither torch nor DVC nor MLflow: stores are opened, projected, measured, drawn."""

import subprocess
import sys

CODE = """
import sys
from pathlib import Path

MISSING = {"torch", "torchvision", "dvc", "mlflow", "dask", "distributed", "keras"}


class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        hidden = name.split(".")[0] in MISSING
        return None if hidden else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)


sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
import numpy as np
import deep_learning_dynamics as dld

folder = Path(sys.argv[1])
rng = np.random.default_rng(0)
for group in ("a", "b"):
    for seed in range(3):
        weights = {"layer": {"kernel": rng.normal(size=(4, 3)), "bias": np.zeros(3)}}
        path = folder / f"{group}-{seed}.zarr"
        with dld.Recorder(path, weights, schedule=1, group=group, seed=seed) as record:
            for step in range(6):
                record(step, test_accuracy=step / 6)
                weights["layer"]["kernel"] += 0.1 * rng.normal(size=(4, 3))
runs = dld.open(str(folder / "*.zarr"))
paths = dld.project(runs, "pca")
paths.plot(width=3.35).savefig(folder / "paths.png")
assert len(dld.measure(runs, by="group").table)
assert dld.compare(runs, by="group").verdict.sentence
assert dld.audit(folder / "a-0.zarr").passed
dld.report(runs, folder / "report.html", by="group")
print(runs.sizes["network"], len(paths.coordinates))
"""


def test_the_core_works_without_torch_dvc_and_mlflow(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["6", "36"]
    assert (tmp_path / "report.html").stat().st_size > 1_000_000
    assert (tmp_path / "paths.png").read_bytes().startswith(b"\x89PNG")
