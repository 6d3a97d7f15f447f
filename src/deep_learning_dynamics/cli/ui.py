"""``dynamics ui``: MLflow's web interface for the store in use, on this machine only."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.workspace import end_like_ctrl_c, project_root

EPILOG = "Example: dynamics ui --port 8080"
HOST, PORT = "127.0.0.1", 5000
START = 120.0  # seconds; MLflow's server needs 5 to 15


def command(
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port on 127.0.0.1; the next free one from 5000 on if left out.",
        ),
    ] = None,
) -> None:
    """Show the runs in the browser: MLflow's UI for the store in use, until Ctrl-C."""
    from deep_learning_dynamics import tracking

    store = tracking.store_of(project_root(Path.cwd()))
    if store.is_server:
        print(store)
        return
    connection = tracking.connect(store, create=False)
    if connection is None:
        raise TrackingError(f"There is no store in {store} yet. Make one with: dynamics run")
    end_like_ctrl_c()  # or the server would stay behind
    port = free_port(port)
    log = store.home / "mlruns" / "ui.log"
    print("Starting MLflow's UI, which takes some seconds ...", flush=True)
    settings = {
        "MLFLOW_BACKEND_STORE_URI": store.uri,  # not in the command line, which all can read
        "MLFLOW_TRACKING_URI": store.uri,
        # A dozen processes for language models, which have nothing to do here.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", HOST, "--port", str(port)]
    if store.artifacts is not None:
        command += ["--default-artifact-root", store.artifacts]
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as output:
        server = subprocess.Popen(
            command,
            env=os.environ | settings,
            cwd=store.home,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,  # it starts others, and all of them are to end
        )
    try:
        _await(f"http://{HOST}:{port}", server, log)
        # Without the type of work MLflow opens on pages about language models.
        page = f"#/experiments/{connection.experiment_id}/runs?workflowType=machine_learning"
        print(f"http://{HOST}:{port}/{page}\nCtrl-C ends it.", flush=True)
        server.wait()
        raise TrackingError(f"MLflow's server ended with status {server.returncode}. See {log}")
    except KeyboardInterrupt:
        print("The UI is closed.")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def free_port(wanted: int | None) -> int:
    """``wanted``, or the first free port from 5000 on when it does not matter.

    Raises:
        TrackingError: the wanted port is taken.
    """
    for port in [wanted] if wanted is not None else range(PORT, PORT + 100):
        with socket.socket() as probe:
            # As the server will do; else a port just given up counts as taken for a minute.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((HOST, port))
                return port
    if wanted is None:
        raise TrackingError(f"The ports {PORT} to {PORT + 99} are all taken; name one with --port.")
    raise TrackingError(
        f"Port {wanted} is taken by another program; choose another with --port, or leave "
        "--port out to get the next free one."
    )


def _await(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5):
            return
        time.sleep(0.2)
    lines = log.read_text(errors="replace").strip().splitlines()
    raise TrackingError(
        f"MLflow's server did not start: {lines[-1] if lines else 'it said nothing'} "
        f"All that it said is in {log}"
    )
