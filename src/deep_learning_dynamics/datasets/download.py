"""Datasets from torchvision's mirrors, with its checksums, given up within seconds where no
network is.

torchvision's own download would cost 7 s of import and waits for a silent server for ever. A test
holds what is written here against the installed torchvision.
"""

import hashlib
import http.client
import io
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from urllib.error import HTTPError, URLError

from deep_learning_dynamics.datasets import mnist, omniglot
from deep_learning_dynamics.datasets.examples import Examples
from deep_learning_dynamics.datasets.sources import UnavailableError
from deep_learning_dynamics.params import DatasetName, Target

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
MNIST_MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
OMNIGLOT_MIRRORS = ("https://raw.githubusercontent.com/brendenlake/omniglot/master/python/",)
OMNIGLOT_MD5 = {"images_background.zip": "68d2efa1b9178cc56df9314c21c6e718"}


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for."""

    answer: float = 5  # seconds until it begins to answer, the look-up of its name included
    silence: float = 10  # seconds between two parts of an answer
    slowest: float = 20_000  # bytes per second, on average, after the first `silence` seconds
    largest: int = 2**26  # bytes; the files have 10 MB at most


PATIENCE = Patience()


def examples(name: DatasetName, target: Target) -> Examples:
    """The original ``name`` from the first mirror that gives it whole.

    Raises:
        UnavailableError: no mirror does; the text says what each did instead.
        DataError: what passed its checksum does not hold the dataset.
    """
    if name == "mnist":
        files = _files(MNIST_MIRRORS, MNIST_MD5)
        return mnist.examples(
            {
                file.removesuffix(".gz"): mnist.unpacked(content, file.removesuffix(".gz"), file)
                for file, content in files.items()
            }
        )
    ((file, content),) = _files(OMNIGLOT_MIRRORS, OMNIGLOT_MD5).items()
    return omniglot.examples(omniglot.from_zip(io.BytesIO(content), file), target)


def _files(mirrors: tuple[str, ...], checksums: dict[str, str]) -> dict[str, bytes]:
    """Every file from the first mirror that has all; mirrors are not asked twice."""
    misses = []
    for mirror in mirrors:
        print(f"downloading from {mirror}", file=sys.stderr, flush=True)
        contents = {}
        try:
            for file, md5 in checksums.items():
                contents[file] = _downloaded(f"{mirror}{file}", md5, PATIENCE)
        except (OSError, http.client.HTTPException, ValueError) as error:
            plain = isinstance(error, HTTPError) or not isinstance(error, URLError)
            misses.append(f"{mirror}{file}: {error if plain else error.reason}")
            continue
        return contents
    raise UnavailableError("; ".join(misses))


def _downloaded(url: str, md5: str, patience: Patience) -> bytes:
    response = _opened(url, patience)
    start, parts, size = time.monotonic(), [], 0
    with response:
        # read1 gives what has come: read would wait for a whole block from a server that drips.
        while part := response.read1(2**16):
            parts.append(part)
            size += len(part)
            seconds = time.monotonic() - start
            if seconds > patience.silence and size < patience.slowest * seconds:
                raise TimeoutError(f"too slow: {size:,} bytes in {seconds:.0f} s")
            if size > patience.largest:
                raise ValueError(f"sends more than the {patience.largest:,} bytes allowed")
    content = b"".join(parts)
    # Not for security: where a dataset has a SHA-256, that is checked as well.
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise ValueError(f"wrong checksum: the MD5 of its {size:,} bytes is {found}, not {md5}")
    return content


def _opened(url: str, patience: Patience) -> http.client.HTTPResponse:
    """The server's answer, or a TimeoutError.

    A socket's timeout holds for each address of a host by turns and not at all for the look-up of
    its name, so the answer is awaited from another thread; one that hangs ends with the process.
    """
    answers: list[http.client.HTTPResponse | Exception] = []

    def ask() -> None:
        request = urllib.request.Request(url, headers={"User-Agent": "deep-learning-dynamics"})
        try:
            answers.append(urllib.request.urlopen(request, timeout=patience.silence))
        except Exception as error:  # for the caller to raise
            answers.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience.answer)
    if not answers:
        raise TimeoutError(f"no answer within {patience.answer:g} s")
    if isinstance(answers[0], Exception):
        raise answers[0]
    return answers[0]
