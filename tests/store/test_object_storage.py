"""A store in object storage gives what the same store on disk gives, here and on a cluster."""

import itertools
import logging
import time

import numpy as np
import pandas as pd
import pytest
import small_stores

import deep_learning_dynamics as dld
from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.execution import connected
from deep_learning_dynamics.projection import isometry
from deep_learning_dynamics.projection.reduction import reduce

s3fs = pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")
Application = pytest.importorskip("moto.moto_server.werkzeug_app").DomainDispatcherApplication


@pytest.fixture(scope="module")
def bucket():
    """An S3 server on this machine, addressed as another one would be: by the environment."""
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "something",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()  # of another test's server
        files = s3fs.S3FileSystem()
        files.mkdir("runs")
        yield files
    s3fs.S3FileSystem.clear_instance_cache()
    running.stop()


def test_a_store_in_a_bucket_gives_what_the_one_on_disk_gives(bucket, study_stores):
    stores = study_stores(diverged=1)
    for path in (stores.pretrain, stores.train):
        bucket.put(str(path), f"runs/{path.name}", recursive=True)
    here = stores.open()
    there = dld.open(["s3://runs/pretrain.zarr", "s3://runs/train.zarr"])
    np.testing.assert_array_equal(there["weights"].values, here["weights"].values)
    assert set(dld.open("s3://runs/*.zarr")["network"].values) == set(here["network"].values)
    one, other = (reduce(dld.select(runs)) for runs in (here, there))
    assert other.vectors.tobytes() == one.vectors.tobytes()
    pd.testing.assert_frame_equal(
        dld.project(there).coordinates, dld.project(here).coordinates, check_exact=True
    )
    pd.testing.assert_frame_equal(
        dld.measure(there).table, dld.measure(here).table, check_exact=True
    )


def test_workers_read_the_bucket_and_find_the_same_bits_in_whatever_order(
    bucket, tmp_path, monkeypatch
):
    """Storage is slow for some reads, so that blocks arrive in another order than they are added."""
    pytest.importorskip("distributed")
    weights = np.random.default_rng(0).normal(size=(3, 4, 2000)).astype(np.float32)
    parameters = dld.store.Parameters.of({"one.weight": (20, 100)})
    path = tmp_path / "wide.zarr"
    small_stores.write(path, pd.DataFrame(index=["a", "b", "c"]), parameters, weights)
    bucket.put(str(path), "runs/wide.zarr", recursive=True)
    monkeypatch.setattr(isometry, "BLOCK_BYTES", 8 * 12 * 500)  # four blocks
    here = reduce(dld.select(dld.open(path)))
    answer, waits, delayed = Application.__call__, itertools.cycle([1.5, 0, 0]), []

    def late(application, environ, respond):
        if "/weights/c/" in environ["PATH_INFO"]:
            delayed.append(next(waits))
            time.sleep(delayed[-1])
        return answer(application, environ, respond)

    monkeypatch.setattr(Application, "__call__", late)
    monkeypatch.setenv("DYNAMICS_CLUSTER", "local:2")
    cluster, sent = connected(), []
    run = type(cluster).run

    def watched(self, function, tasks, label):
        sent.append((label, len(tasks)))
        return run(self, function, tasks, label)

    monkeypatch.setattr(type(cluster), "run", watched)
    try:
        there = reduce(dld.select(dld.open("s3://runs/wide.zarr")))
    finally:
        cluster.close()
    assert sent == [("blocks of the isometry", 4)]
    assert sum(delayed) >= 1.5
    assert there.vectors.tobytes() == here.vectors.tobytes()


def test_what_is_not_in_the_bucket_is_said(bucket, tmp_path):
    with pytest.raises(StoreError, match=r"^There is no store at s3://runs/none\.zarr"):
        dld.open("s3://runs/none.zarr")
    parameters = dld.store.Parameters.of({"w": (3,)})
    path, weights = tmp_path / "holed.zarr", np.ones((1, 2, 3), np.float32)
    small_stores.write(path, pd.DataFrame(index=["a"]), parameters, weights)
    (path / "weights/c/0/0/0").unlink()
    bucket.put(str(path), "runs/holed.zarr", recursive=True)
    with pytest.raises(StoreError, match=r"s3://runs/holed\.zarr/weights/c/0/0/0 is damaged"):
        dld.open("s3://runs/holed.zarr")["weights"].load()
