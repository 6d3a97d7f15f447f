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

from deep_learning_dynamics import tracking
from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.workspace import end_like_ctrl_c, project_root

HOST, PORTS = "127.0.0.1", range(5000, 5100)


def ui(
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port on 127.0.0.1; the next free one from 5000 on if left out.",
        ),
    ] = None,
) -> None:
    """Show the runs in the browser: MLflow's UI for the store in use, until Ctrl-C.

    Example: dynamics ui --port 8080
    """
    store = tracking.store_of(project_root(Path.cwd()))
    if store.is_server:
        print(store)
        return
    connection = tracking.connect(store, create=False)
    if connection is None:
        raise TrackingError(f"There is no store in {store} yet. Make one with: dynamics run")
    ports = PORTS if port is None else [port]
    free = next(filter(_is_free, ports), None)
    if free is None:
        taken = f"{ports[0]} to {ports[-1]} are" if port is None else f"{port} is"
        raise TrackingError(f"Port {taken} taken by other programs; choose another with --port.")
    end_like_ctrl_c()  # or the server would stay behind
    log = store.home / "mlruns" / "ui.log"
    print("Starting MLflow's UI, which takes some seconds ...", flush=True)
    settings = {
        "MLFLOW_BACKEND_STORE_URI": store.uri,  # not in the command line, which all can read
        "MLFLOW_TRACKING_URI": store.uri,
        # A dozen processes for language models, which have nothing to do here.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", HOST, "--port", str(free)]
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
        if _answers(f"http://{HOST}:{free}/health", server):
            # Without the type of work MLflow opens on pages about language models.
            page = f"#/experiments/{connection.experiment_id}/runs?workflowType=machine_learning"
            print(f"http://{HOST}:{free}/{page}\nCtrl-C ends it.", flush=True)
        server.wait()
        raise TrackingError(f"MLflow's server ended with status {server.returncode}; see {log}")
    except KeyboardInterrupt:
        print("The UI is closed.")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server will do; else a port just given up counts as taken for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind((HOST, port))
            return True
    return False


def _answers(address: str, server: "subprocess.Popen[bytes]") -> bool:
    """Wait until a server answers; False if it ends instead."""
    while server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return True
        time.sleep(0.2)
    return False
