"""A store in object storage gives what the same store on disk gives, here and on a cluster."""

import numpy as np
import pandas as pd
import pytest

import deep_learning_dynamics as dld
from deep_learning_dynamics.errors import StoreError
from deep_learning_dynamics.execution import connected
from deep_learning_dynamics.projection import isometry
from deep_learning_dynamics.projection.reduction import reduce

s3fs = pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def bucket():
    """An S3 server on this machine, addressed as another one would be: by the environment."""
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "something",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(name, value)
        files = s3fs.S3FileSystem(skip_instance_cache=True)
        files.mkdir("runs")
        yield files
    running.stop()


def test_a_store_in_a_bucket_gives_what_the_one_on_disk_gives(bucket, study_stores, monkeypatch):
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
    # Workers read the bucket, too.
    pytest.importorskip("distributed")
    monkeypatch.setattr(isometry, "BLOCK_BYTES", 8_000)
    monkeypatch.setenv("DYNAMICS_CLUSTER", "local:1")
    cluster, sent = connected(), []
    run = type(cluster).run
    monkeypatch.setattr(
        type(cluster), "run", lambda self, *work: sent.append(work) or run(self, *work)
    )
    try:
        blocks = reduce(dld.select(there))
    finally:
        cluster.close()
    assert len(sent) == 1
    np.testing.assert_allclose(blocks.vectors, one.vectors, atol=1e-9)


def test_what_is_not_in_the_bucket_is_said(bucket):
    with pytest.raises(StoreError, match=r"^There is no store at s3://runs/none\.zarr"):
        dld.open("s3://runs/none.zarr")
