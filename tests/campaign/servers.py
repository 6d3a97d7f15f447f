"""Tracking servers that die, hang or answer with errors at a random request."""

import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from project import variables

from campaign import ground
from campaign.ground import Ground, done, finished_once, started

LONGEST_LIST = 20.0  # seconds that a command about runs may take, imports included
MORE = 40.0  # seconds that a run may take longer than without tracking


class Proxy:
    """Stands before a server; from a request on it does something else, until it is healed."""

    def __init__(self, port: int) -> None:
        self.fault, self.after, self.requests = "", 0, 0
        self._healed = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                proxy.requests += 1
                fault = proxy.fault if proxy.requests > proxy.after else ""
                if fault == "hangs":
                    proxy._healed.wait(300)
                if fault in ("hangs", "dies"):
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if fault == "answers 500":
                    self.reply(500, [], b"no")
                    return
                upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                upstream.request(self.command, self.path, body, dict(self.headers.items()))
                answer = upstream.getresponse()
                self.reply(answer.status, answer.getheaders(), answer.read())
                upstream.close()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815

            def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

            def handle(self) -> None:
                with suppress(OSError, http.client.HTTPException):
                    super().handle()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def heal(self) -> None:
        """Answer as the server does from now on."""
        self.fault = ""
        self._healed.set()

    def close(self) -> None:
        self.heal()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def served(folder: Path) -> Iterator[Proxy]:
    """A real MLflow server with a store of its own, behind a proxy."""
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1",
             "--backend-store-uri", f"sqlite:///{folder}/server.db",
             "--artifacts-destination", str(folder / "files")],
            cwd=folder, env=variables(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"), stdout=log, stderr=log, process_group=0,
        )  # fmt: skip
    proxy = Proxy(port)
    try:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.2)
        yield proxy
    finally:
        proxy.close()
        subprocess.run(["kill", "--", f"-{server.pid}"], check=False)
        server.wait()


def server(here: Ground, name: str, rng: np.random.Generator) -> list[str]:
    """The server fails at a random request; later it is there again."""
    project = here.copy(name)
    stage = str(rng.choice(["pretrain", "train", "report", "log"]))
    here.forget(project, stage, "none")
    with served(here.folder / f"{name}-server") as proxy:
        address = {"MLFLOW_TRACKING_URI": proxy.address}
        proxy.after = int(np.exp(rng.uniform(0, np.log(120))))
        proxy.fault = str(rng.choice(["dies", "hangs", "answers 500"]))
        label = f"{proxy.fault} from request {proxy.after} on, {stage}"
        stages = list(here.seconds)
        normal = sum(here.seconds[each] for each in stages[stages.index(stage) :])
        begin = time.monotonic()
        found = done(project, "dynamics", "run", **address)
        took = time.monotonic() - begin
        if took > 4 * normal + MORE:  # stages share the cores with other trials
            found.append(f"it took {took:.0f} s, {normal:.0f} s without tracking")
        proxy.after = 0
        begin = time.monotonic()
        command = started(project, "dynamics", "list", **address)
        status, took = command.wait(), time.monotonic() - begin
        if status != 1 or took > LONGEST_LIST:
            found.append(f"dynamics list ends with {status} after {took:.0f} s")
        found += ground.tracebacks(command)
        proxy.heal()
        found += done(project, "dynamics", "track", **address)
        database = here.folder / f"{name}-server/server.db"
        found += here.unfaithful(database, here.folder / f"{name}-server/files/1")
        found += finished_once(project, database) + here.different(project)
    return [f"{label}: {each}" for each in found]


KINDS = {"server": server}
