"""Downloads from a server of our own: what is right is used, what is not is given up soon."""

import gzip
import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from small_datasets import expect_small, small_mnist, small_omniglot, zip_of

from deep_learning_dynamics.study.datasets import DATASETS, download
from deep_learning_dynamics.study.datasets.dataset import UnavailableError


class Handler(BaseHTTPRequestHandler):
    """Serves the server's files; a first part of the path says how badly."""

    def do_GET(self):
        _, manner, name = self.path.split("/", 2)
        if manner == "silent":
            self.server.released.wait(30)
            return
        if manner == "missing" or name not in self.server.files:
            self.send_error(404)
            return
        content = self.server.files[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if manner == "other":
            content = content[:-1] + b"?"
        if manner == "short":
            content = content[: len(content) // 2]
        if manner in ("stalling", "dripping"):
            self.wfile.write(content[:10])
            self.wfile.flush()
            for position in range(10, len(content)):
                if self.server.released.wait(0.05 if manner == "dripping" else 30):
                    return
                self.wfile.write(content[position : position + 1])
                self.wfile.flush()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    """Small originals on 127.0.0.1, whose checksums count as the right ones."""
    expect_small(monkeypatch)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.released = threading.Event()
    server.files = {f"{name}.gz": gzip.compress(c, mtime=0) for name, c in small_mnist().items()}
    server.files["images_background.zip"] = zip_of(small_omniglot())
    for key in ("mnist", "omniglot"):
        sums = {
            name: hashlib.md5(content).hexdigest()
            for name, content in server.files.items()
            if name in DATASETS[key].downloads
        }
        monkeypatch.setattr(DATASETS[key], "downloads", sums)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def downloaded(monkeypatch):
    def get(key, address):
        monkeypatch.setattr(DATASETS[key], "address", address)
        return download.read_downloaded(DATASETS[key]())

    return get


def test_both_datasets_come_from_a_server(server, downloaded, capsys):
    mnist = downloaded("mnist", f"{server.url}/well/")
    assert mnist.images.mean(axis=(1, 2)).tolist() == [*range(30), *range(20)]
    assert downloaded("omniglot", f"{server.url}/well/").classes == 2
    assert f"downloading from {server.url}/well/" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("manner", "told"),
    [
        ("missing", "404"),
        ("other", "wrong checksum"),
        ("short", "wrong checksum|more expected"),
        ("silent", "sent less than 32,768 bytes in 0.6 s"),
        ("stalling", "sent less"),
        ("dripping", "sent less"),
    ],
)
def test_a_server_that_fails_is_given_up_soon_and_said_how(
    server, downloaded, monkeypatch, manner, told
):
    monkeypatch.setattr(download, "PATIENCE", 0.6)
    start = time.monotonic()
    with pytest.raises(UnavailableError, match=told) as caught:
        downloaded("omniglot", f"{server.url}/{manner}/")
    assert time.monotonic() - start < 4
    assert f"{server.url}/{manner}/" in str(caught.value)
    assert len(str(caught.value)) < 250


def test_an_endless_answer_is_cut_off(server, downloaded, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", 100)
    with pytest.raises(UnavailableError, match="more than the 100 bytes allowed"):
        downloaded("omniglot", f"{server.url}/well/")


def test_a_look_up_that_never_ends_is_given_up(downloaded, monkeypatch):
    """A name server that does not answer holds getaddrinfo for half a minute."""
    hold = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *a, **k: hold.wait(30))
    monkeypatch.setattr(download, "PATIENCE", 0.2)
    start = time.monotonic()
    with pytest.raises(UnavailableError, match=r"sent less than .* in 0\.2 s"):
        downloaded("omniglot", "http://dataset-host.invalid/")
    assert time.monotonic() - start < 2
    hold.set()
