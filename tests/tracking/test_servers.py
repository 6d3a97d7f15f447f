"""Servers that are dead, hang or answer with errors cost a short time, and PostgreSQL holds runs."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from project import dynamics
from small_projects import PARAMETERS, identity, small_project

from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.tracking import connect, records, store_of
from deep_learning_dynamics.tracking.runs import finish, log_curves, open_run

EXPERIMENT = {"experiment_id": "7", "name": "deep-learning-dynamics", "lifecycle_stage": "active"}


@pytest.fixture
def serve(monkeypatch):
    """Starts a server whose answers a function gives: a status, or None to hang."""
    servers = []
    done = threading.Event()

    def start(answer):
        requests = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                requests.append((self.path, self.headers.get("Authorization")))
                status = answer(self.path, len(requests))
                if status is None:
                    done.wait(60)
                    return
                body = json.dumps({"experiment": EXPERIMENT}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                self.do_GET()

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_address[1], requests

    yield start
    done.set()
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def folder(tmp_path):
    return small_project(tmp_path / "project")


def seconds_until_refused(folder, match):
    start = time.monotonic()
    with pytest.raises(TrackingError, match=match):
        connect(store_of(folder))
    return time.monotonic() - start


def test_a_dead_server_is_known_at_once(folder, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert seconds_until_refused(folder, "nothing answers") < 8


def test_a_hanging_server_costs_one_short_time(folder, serve, monkeypatch):
    port, _ = serve(lambda path, number: None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    assert 1.5 < seconds_until_refused(folder, "did not answer a request within 1 s") < 10


def test_a_command_waits_ten_seconds_at_most_wherever_the_server_hangs(folder, serve):
    def seconds(first, status):
        port, _ = serve(lambda path, number: 200 if number < first else None)
        address = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"}
        start = time.monotonic()
        said = dynamics(folder, "list", status=status, **address)
        return time.monotonic() - start, said

    with ThreadPoolExecutor() as pool:  # at once: they wait more than they work
        (usual, _), *hanging = pool.map(seconds, (99, 1, 2), (0, 1, 1))
    for longer, said in hanging:
        assert longer - usual < 10 + usual  # its own time varies with what else the machine does
        assert "did not answer" in said
        assert said.count("\n") == 1


def test_an_error_of_a_server_is_retried_once(folder, serve, monkeypatch):
    port, requests = serve(lambda path, number: 500 if number < 2 else 200)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    assert connect(store_of(folder)).experiment_id == "7"
    assert len(requests) == 2
    port, _ = serve(lambda path, number: 503)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    assert seconds_until_refused(folder, "503") < 6


def test_user_and_password_reach_the_server_and_nobody_else(folder, serve, monkeypatch):
    port, requests = serve(lambda path, number: 200)
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:se%40cret@127.0.0.1:{port}")
    connection = connect(store_of(folder))
    assert connection.experiment_id == "7"
    assert "cret" not in f"{connection} {connection.store}"
    import base64

    expected = base64.b64encode(b"me:se@cret").decode()
    assert requests[-1][1] == f"Basic {expected}"


@pytest.fixture(scope="module")
def postgres():
    """The address of a PostgreSQL of the tests' own."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("there is no PostgreSQL here (Debian: apt-get install postgresql)")
    tools = found[-1].parent
    # It refuses to run as root, and pytest's folders are open to their owner alone.
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] * (os.getuid() == 0)
    with tempfile.TemporaryDirectory(prefix="dynamics-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        data, log = folder / "data", folder / "log"
        make = [*user, tools / "initdb", "-D", data, "-U", "me", "--auth=trust", "--no-sync"]
        made = subprocess.run(
            make, check=False, cwd=folder, capture_output=True, text=True, timeout=120
        )
        assert made.returncode == 0, made.stdout + made.stderr
        with log.open("w") as output:
            server = subprocess.Popen(
                [*user, tools / "postgres", "-D", data, "-p", str(port), "-k", folder, "-F"],
                cwd=folder,
                stdout=output,
                stderr=output,
            )
        try:
            ready = [tools / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
            for _ in range(300):
                if subprocess.run(ready, check=False, capture_output=True).returncode == 0:
                    break
                assert server.poll() is None, log.read_text()
                time.sleep(0.2)
            yield f"postgresql+psycopg://me:secret@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # without waiting for clients
            server.wait()


def test_postgresql_holds_runs(folder, postgres, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", postgres)
    connection = connect(store_of(folder))
    mine = identity(folder)
    run = open_run(connection, mine)
    log_curves(connection, run.info.run_id, {"accuracy/scratch": {0: 0.1, 5: 0.5}})
    connection.client.log_text(run.info.run_id, "words", "words.txt")
    finish(connection, run.info.run_id, mine.fingerprint)
    (record,) = records(connection)
    assert record.complete
    assert record.parameters["train.epochs"] == str(PARAMETERS["train"]["epochs"])
    assert record.metrics == {"accuracy/scratch": 0.5}
    assert (folder / "mlruns/artifacts" / record.run_id / "artifacts/words.txt").exists()
    assert "secret" not in str(connection.store)
