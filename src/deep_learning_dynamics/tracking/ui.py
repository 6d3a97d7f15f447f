"""MLflow's web interface for the store in use, served on this machine only."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.tracking import view
from deep_learning_dynamics.tracking.store import EXPERIMENT, Store

HOST = "127.0.0.1"
PORT = 5000
START = 120.0  # seconds; MLflow's server needs 5 to 15


def free_port(wanted: int | None) -> int:
    """``wanted``, or the first free port from 5000 on when it does not matter.

    Raises:
        TrackingError: the wanted port is taken.
    """
    for port in [wanted] if wanted is not None else range(PORT, PORT + 100):
        with socket.socket() as probe:
            # As the server will do; else a port just given up counts as taken for a minute.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    if wanted is None:
        raise TrackingError(f"The ports {PORT} to {PORT + 99} are all taken; name one with --port.")
    raise TrackingError(
        f"Port {wanted} is taken by another program; choose another with --port, or leave "
        "--port out to get the next free one."
    )


@dataclass(frozen=True)
class Server:
    """A running UI."""

    address: str  # of our experiment in it
    process: "subprocess.Popen[bytes]"
    log: Path

    def wait(self) -> None:
        """Wait for Ctrl-C.

        Raises:
            TrackingError: the server ended by itself.
        """
        status = self.process.wait()
        raise TrackingError(f"MLflow's server ended with status {status}. See {self.log}")


@contextmanager
def serve(store: Store, port: int) -> Iterator[Server]:
    """Run the UI while the block runs.

    Raises:
        TrackingError: there is no store yet, or the server did not start.
    """
    if store.embedded and not store.database.exists():
        raise TrackingError(
            f"{store.database} does not exist; expected the runs of an experiment. "
            "Make one with: dynamics run"
        )
    log = store.project / "mlruns" / "ui.log"
    log.parent.mkdir(exist_ok=True)
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
        *("--backend-store-uri", store.uri, "--host", HOST, "--port", str(port)),
    ]
    if store.artifacts is not None:
        command += ["--default-artifact-root", store.artifacts]
    settings = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # A dozen processes for language models, which have nothing to do here.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env=settings | os.environ,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,  # it starts others, and all of them are to end
        )
    address = f"http://{HOST}:{port}"
    try:
        _await(address, process, log)
        yield Server(experiment_address(address), process, log)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def experiment_address(server: str) -> str:
    """Where a server's UI shows our experiment; its front page if it does not say."""
    server = server.rstrip("/")
    name = urllib.parse.urlencode({"experiment_name": EXPERIMENT})
    try:
        with urllib.request.urlopen(
            f"{server}/api/2.0/mlflow/experiments/get-by-name?{name}", timeout=10
        ) as answer:
            experiment = json.load(answer)["experiment"]
        number, tags = experiment["experiment_id"], experiment.get("tags", [])
    except (OSError, ValueError, KeyError, HTTPException):  # not there yet, or wants a password
        return server
    # Without the type of work MLflow opens on pages about language models.
    page = f"{server}/#/experiments/{number}/runs?workflowType=machine_learning"
    shared = any(tag["key"] == view.TAG for tag in tags)
    return f"{page}&viewStateShareKey={view.KEY}" if shared else page


def _await(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    lines = log.read_text(errors="replace").strip().splitlines()
    raise TrackingError(
        f"MLflow's server did not start: {lines[-1] if lines else 'it said nothing'} "
        f"All that it said is in {log}"
    )
