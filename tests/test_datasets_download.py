"""Downloads from a server of our own: what is right is used, what is not is given up soon."""

import ast
import gzip
import hashlib
import importlib.util
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from small_datasets import expect_small, small_mnist, small_omniglot, write_zip

from deep_learning_dynamics.datasets import download
from deep_learning_dynamics.datasets.sources import UnavailableError


class Handler(BaseHTTPRequestHandler):
    """Serves the server's files; a first part of the path says how badly."""

    def do_GET(self):
        _, manner, name = self.path.split("/", 2)
        self.server.asked.append(self.path)
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
def server(tmp_path, monkeypatch):
    """Small originals on 127.0.0.1, whose checksums count as the right ones."""
    expect_small(monkeypatch)
    write_zip(tmp_path / "images_background.zip", small_omniglot())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.asked, server.released = [], threading.Event()
    server.files = {
        f"{name}.gz": gzip.compress(content, mtime=0) for name, content in small_mnist().items()
    }
    server.files["images_background.zip"] = (tmp_path / "images_background.zip").read_bytes()
    for name, content in server.files.items():
        table = download.OMNIGLOT_MD5 if name.endswith(".zip") else download.MNIST_MD5
        monkeypatch.setitem(table, name, hashlib.md5(content).hexdigest())
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


def use(monkeypatch, *mirrors):
    monkeypatch.setattr(download, "MNIST_MIRRORS", mirrors)
    monkeypatch.setattr(download, "OMNIGLOT_MIRRORS", mirrors)


def test_both_datasets_come_from_a_mirror(server, monkeypatch, capsys):
    use(monkeypatch, f"{server.url}/well/")
    mnist = download.examples("mnist", "alphabet")
    assert mnist.images.mean(axis=(1, 2)).tolist() == [*range(30), *range(20)]
    assert download.examples("omniglot", "character").classes == 3
    assert f"downloading from {server.url}/well/" in capsys.readouterr().err


def test_a_mirror_that_fails_is_followed_by_the_next(server, monkeypatch):
    use(monkeypatch, f"{server.url}/other/", f"{server.url}/well/")
    assert len(download.examples("mnist", "alphabet").images) == 50


def test_a_mirror_that_fails_is_not_asked_for_the_other_files(server, monkeypatch):
    use(monkeypatch, f"{server.url}/missing/")
    with pytest.raises(UnavailableError):
        download.examples("mnist", "alphabet")
    assert server.asked == ["/missing/train-images-idx3-ubyte.gz"]


@pytest.mark.parametrize("name", ["mnist", "omniglot"])
@pytest.mark.parametrize(
    ("manner", "told"),
    [
        ("missing", "404"),
        ("other", "wrong checksum"),
        ("short", "wrong checksum|more expected"),
        ("silent", r"no answer within 0\.3 s"),
        ("stalling", "timed out"),
        ("dripping", "too slow"),
    ],
)
def test_a_server_that_fails_is_given_up_soon_and_said_how(server, monkeypatch, name, manner, told):
    use(monkeypatch, f"{server.url}/{manner}/")
    monkeypatch.setattr(download, "PATIENCE", download.Patience(answer=0.3, silence=0.6))
    start = time.monotonic()
    with pytest.raises(UnavailableError, match=told) as caught:
        download.examples(name, "alphabet")
    assert time.monotonic() - start < 3
    assert f"{server.url}/{manner}/" in str(caught.value)


def test_an_endless_answer_is_cut_off(server, monkeypatch):
    use(monkeypatch, f"{server.url}/well/")
    monkeypatch.setattr(download, "PATIENCE", download.Patience(largest=100))
    with pytest.raises(UnavailableError, match="more than the 100 bytes allowed"):
        download.examples("omniglot", "alphabet")


def test_a_refused_connection_is_said_in_plain_words(monkeypatch):
    use(monkeypatch, "http://127.0.0.1:9/")
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9/\S+: .*Connection refused"):
        download.examples("omniglot", "alphabet")


def test_a_look_up_that_never_ends_is_given_up(monkeypatch):
    """A name server that does not answer holds getaddrinfo for half a minute."""
    hold = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *a, **k: hold.wait(30))
    monkeypatch.setattr(download, "PATIENCE", download.Patience(answer=0.2))
    use(monkeypatch, "http://dataset-host.invalid/")
    start = time.monotonic()
    with pytest.raises(UnavailableError, match=r"no answer within 0\.2 s"):
        download.examples("omniglot", "alphabet")
    assert time.monotonic() - start < 2
    hold.set()


def test_with_no_network_the_usual_patience_is_seconds():
    mirrors = max(len(download.MNIST_MIRRORS), len(download.OMNIGLOT_MIRRORS))
    assert mirrors * download.PATIENCE.answer <= 10


def class_attributes(module, name):
    """What a class of torchvision sets, read from its source: importing it takes 7 s."""
    path = Path(importlib.util.find_spec("torchvision").origin).parent / "datasets" / module
    (found,) = (
        node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in found.body
        if isinstance(node, ast.Assign)
    }


def test_mirrors_and_checksums_are_those_of_the_installed_torchvision():
    mnist = class_attributes("mnist.py", "MNIST")
    assert list(download.MNIST_MIRRORS) == mnist["mirrors"]
    assert list(download.MNIST_MD5.items()) == mnist["resources"]
    omniglot = class_attributes("omniglot.py", "Omniglot")
    assert (f"{omniglot['download_url_prefix']}/",) == download.OMNIGLOT_MIRRORS
    expected = {"images_background.zip": omniglot["zips_md5"]["images_background"]}
    assert expected == download.OMNIGLOT_MD5
