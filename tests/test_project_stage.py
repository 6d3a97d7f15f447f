"""The stage reads snapshots and writes a projection, the same bytes at every repetition."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from small_stores import Stores

ROOT = Path(__file__).parents[1]


def stage(folder, *arguments, **environment):
    return subprocess.run(
        [sys.executable, ROOT / "pipeline" / "project.py", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "snapshots").mkdir()
    Stores(folder / "snapshots", pairs=2, diverged=1)
    shutil.copy(ROOT / "params.yaml", folder)
    return folder


@pytest.mark.parametrize("method", ["som", "umap"])
def test_a_stage_writes_the_same_bytes_in_another_process_with_other_hashes(folder, method):
    out = folder / "projections" / method
    written = []
    for hash_seed in ("1", "2"):
        done = stage(folder, method, PYTHONHASHSEED=hash_seed)
        assert done.returncode == 0, done.stderr
        written.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert written[0] == written[1]
    # Three seeds, a fold for each network that did not diverge, ten nulls of both kinds.
    tests, summary = done.stdout.splitlines()
    assert tests == f"{method}: {3 + 3 + 20} more fits to test it (trust)"
    assert summary.startswith(f"{method}: 43 snapshots, trustworthiness 0.")
    assert len(pd.read_parquet(out / "coordinates.parquet")) == 2 * 6 + 4 * 9
    assert (folder / "timings" / f"project-{method}.json").exists()


def test_missing_snapshots_are_one_clear_message(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    done = stage(tmp_path, "pca")
    assert done.returncode == 1
    assert done.stderr.startswith("error: snapshots/pretrain.zarr does not exist")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "projections").exists()


def test_an_unknown_method_is_refused_with_the_known_ones(tmp_path):
    done = stage(tmp_path, "psa")
    assert done.returncode == 2
    assert "pca" in done.stderr
