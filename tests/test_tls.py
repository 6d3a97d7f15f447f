"""Clusters with TLS: whoever has no certificate gets no answer; files name the certificates."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import dask
import pytest

pytest.importorskip("distributed")

from test_cluster import SOURCE, Hosts

from deep_learning_dynamics.errors import ExecutionError
from deep_learning_dynamics.execution import cluster, connected, run_tasks
from deep_learning_dynamics.execution.starting import VARIABLE


def configured(folder):
    """What Dask's configuration says about certificates that openssl makes in a folder."""
    authority = ["-x509", "-keyout", "authority.key", "-out", "ca.pem", "-subj", "/CN=authority"]
    signed = ["-CA", "ca.pem", "-CAkey", "authority.key", "-keyout", "key.pem",
              "-out", "cert.pem", "-x509", "-subj", "/CN=dynamics"]  # fmt: skip
    for arguments in (authority, signed):
        subprocess.run(
            ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-days", "2", *arguments],
            cwd=folder,
            check=True,
            capture_output=True,
        )
    each = {"cert": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    tls = {"ca-file": str(folder / "ca.pem"), "scheduler": each, "worker": each, "client": each}
    return {"distributed": {"comm": {"require-encryption": True, "tls": tls}}}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    try:
        return configured(tmp_path_factory.mktemp("tls"))
    except FileNotFoundError:
        pytest.skip("openssl is not installed")


@pytest.fixture(autouse=True)
def alone():
    """Dask's configuration of this process is afterwards what it was."""
    before = copy.deepcopy(dask.config.config)
    yield
    if cluster._connected is not None:
        cluster._connected.close()
    dask.config.config.clear()
    dask.config.config.update(before)


def test_a_file_names_the_certificates_and_others_get_no_answer(
    certificates, tmp_path, monkeypatch
):
    """One whose jobs have the certificates in their command, as those of SLURM."""
    content = {
        "cluster": "dask_jobqueue.local.LocalCluster",
        "workers": 1,
        "settings": {"cores": 1, "processes": 1, "memory": "1GB", "interface": "lo"},
        "dask": certificates,
    }
    monkeypatch.chdir(tmp_path)
    Path("here.yaml").write_text(json.dumps(content))
    monkeypatch.setenv(VARIABLE, "here.yaml")
    there = connected()
    assert list(run_tasks(abs, [-1, -2], backend=there)) == [1, 2]
    (worker,) = there.workers()
    address = there.client.scheduler.address
    assert address.startswith("tls://127.0.0.1:")
    assert worker.address.startswith("tls://127.0.0.1:")

    def said(wanted):
        answer = subprocess.run(
            [sys.executable, "-c", "from deep_learning_dynamics.cli import app; app()", "cluster"],
            capture_output=True, text=True, check=False, timeout=60, env=os.environ | {
                VARIABLE: wanted, "PYTHONPATH": str(SOURCE), "DASK_CONFIG": str(tmp_path / "none"),
            },
        )  # fmt: skip
        assert answer.returncode == 1
        return answer.stderr

    assert re.fullmatch(r"error: tls://.* names no certificate; expected .*\n", said(address))
    plain = address.replace("tls://", "tcp://")
    assert re.fullmatch(r"error: No Dask scheduler answers at tcp://.*\n", said(plain))


def test_a_scheduler_with_tls_is_known_by_its_address(certificates, tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tls.yaml").write_text(json.dumps(certificates))
    hosts = Hosts(tmp_path)
    hosts.environment |= {"DASK_CONFIG": str(tmp_path / "config")}
    dask.config.update(dask.config.config, certificates)
    with hosts.running():
        assert hosts.address.startswith("tls://")
        hosts.worker()
        monkeypatch.setenv(VARIABLE, hosts.address)
        assert list(run_tasks(abs, [-1, -2], backend=connected())) == [1, 2]
        cluster._connected.close()


def test_a_certificate_that_is_missing_is_named(certificates, monkeypatch):
    lost = {"distributed.comm.tls.client.cert": "lost.pem"}
    monkeypatch.setenv(VARIABLE, "tls://127.0.0.1:1")
    dask.config.update(dask.config.config, certificates)
    message = r"tls\.client\.cert of Dask's configuration is lost\.pem; expected a file"
    with dask.config.set(lost), pytest.raises(ExecutionError, match=message):
        connected()
