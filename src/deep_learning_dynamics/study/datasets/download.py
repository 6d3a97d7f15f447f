"""Datasets from public mirrors, with checksums, given up within seconds where no network is.

torchvision's own download takes seconds to import and waits for a silent server for ever.
"""

import hashlib
import socket
import sys
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from deep_learning_dynamics.study.datasets.dataset import Dataset, Examples, UnavailableError
from deep_learning_dynamics.study.datasets.members import Members, members


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for."""

    connect: float = 5.0  # seconds, the look-up of its name as long again
    silence: float = 10.0  # seconds between two parts of an answer
    slowest: float = 20_000.0  # bytes per second, on average, after the first `silence` seconds
    largest: int = 2**26  # bytes


PATIENCE = Patience()


def read_downloaded(dataset: Dataset) -> Examples:
    """The original dataset from the first mirror that gives all of it.

    Raises:
        UnavailableError: no mirror does; the text says what each did instead.
        DataError: what passed its checksum does not hold the dataset.
    """
    misses = []
    for mirror in dataset.mirrors:
        print(f"downloading from {mirror}", file=sys.stderr, flush=True)
        try:
            examples = dataset.read(_from_mirror(mirror, dataset.downloads))
        except OSError as error:  # those of requests, too
            misses.append(f"{mirror}: {_in_words(error)}")
            continue
        if examples is not None:
            return examples
    raise UnavailableError("; ".join(misses) or f"no server gives {dataset.title}")


def _from_mirror(mirror: str, checksums: dict[str, str]) -> Members:
    import tempfile
    from pathlib import Path

    found: Members = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, md5 in checksums.items():
            path = Path(folder, name)
            path.write_bytes(_downloaded(f"{mirror}{name}", md5, PATIENCE))
            for member, read in members(path).items():
                content = read()
                found[member.removeprefix(f"{folder}/")] = lambda content=content: content
    return found


def _downloaded(url: str, md5: str, patience: Patience) -> bytes:
    import requests
    import urllib3

    _look_up(urlsplit(url).hostname or "", patience.connect)
    start, content = time.monotonic(), bytearray()
    waits = (patience.connect, patience.silence)
    try:
        with requests.get(url, stream=True, timeout=waits) as response:
            response.raise_for_status()
            # read1 gives what has come: read would wait for a whole block from a server that drips.
            while part := response.raw.read1(2**16):
                content += part
                seconds = time.monotonic() - start
                if seconds > patience.silence and len(content) < patience.slowest * seconds:
                    raise TimeoutError(f"too slow: {len(content):,} bytes in {seconds:.0f} s")
                if len(content) > patience.largest:
                    raise OSError(f"sends more than the {patience.largest:,} bytes allowed")
    except urllib3.exceptions.HTTPError as error:
        raise OSError(_in_words(error)) from None
    # Not for security: the datasets check what they read with SHA-256.
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise OSError(
            f"wrong checksum: the MD5 of its {len(content):,} bytes is {found}, not {md5}"
        )
    return bytes(content)


def _look_up(host: str, seconds: float) -> None:
    """Give up a name server that is silent, which no time-out of a socket does."""
    answers: list[OSError | None] = []

    def ask() -> None:
        try:
            socket.getaddrinfo(host, None)
            answers.append(None)
        except OSError as error:
            answers.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answers:
        raise TimeoutError(f"no address of {host} within {seconds:g} s")
    if answers[0] is not None:
        raise answers[0]


def _in_words(error: Exception) -> str:
    """The reason alone, out of the errors that requests and urllib3 wrap around it."""
    seen: BaseException = error
    while seen.args and isinstance(seen.args[0], BaseException):
        seen = seen.args[0]
    reason = getattr(seen, "reason", None) or seen
    text = str(reason)
    return text.rsplit(": ", 1)[-1] if "object at 0x" in text or "HTTPConnection" in text else text
