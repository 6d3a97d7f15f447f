"""Datasets from public servers, with checksums; without a network it gives up within seconds.

torchvision's own download takes seconds to import and waits for a silent server for ever.
"""

import hashlib
import queue
import re
import sys
import tempfile
import threading
from pathlib import Path

from deep_learning_dynamics.study.datasets.dataset import Dataset, Examples, UnavailableError
from deep_learning_dynamics.study.datasets.local import files_in

PATIENCE = 8.0  # seconds that a server may take for each part
PART = 2**15  # bytes
LARGEST = 2**26  # bytes of a file


def read_downloaded(dataset: Dataset) -> Examples:
    """The original dataset from its address.

    Raises:
        UnavailableError: there is none, or it does not give all files; the text says why.
        DataError: what passed its checksum does not hold the dataset.
    """
    if not dataset.address:
        raise UnavailableError(f"no server gives {dataset.title}")
    print(f"downloading from {dataset.address}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name, md5 in dataset.downloads.items():
                Path(folder, name).write_bytes(_downloaded(f"{dataset.address}{name}", md5))
        except OSError as error:
            raise UnavailableError(f"{dataset.address}: {error}") from None
        return dataset.read(files_in(Path(folder)))


def _downloaded(url: str, md5: str) -> bytes:
    # In a thread, since no time-out of a socket ends the wait for a name server, or for a server
    # that drips.
    parts: queue.Queue[bytes | Exception] = queue.Queue(maxsize=4)
    threading.Thread(target=_receive, args=(url, parts), daemon=True).start()
    content = bytearray()
    try:
        while part := parts.get(timeout=PATIENCE):
            if isinstance(part, Exception):
                raise OSError(_in_words(part))
            content += part
            if len(content) > LARGEST:
                raise OSError(f"sends more than the {LARGEST:,} bytes allowed")
    except queue.Empty:
        raise TimeoutError(f"sent less than {PART:,} bytes in {PATIENCE:g} s") from None
    # Not for security: the datasets check what they read with SHA-256.
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise OSError(
            f"wrong checksum: the MD5 of its {len(content):,} bytes is {found}, not {md5}"
        )
    return bytes(content)


def _receive(url: str, parts: "queue.Queue[bytes | Exception]") -> None:
    """Put what a server sends, part by part, and nothing at its end; or the error."""
    try:
        import requests

        with requests.get(url, stream=True) as response:
            response.raise_for_status()
            # Undecoded: some servers call a .gz an encoding of its contents.
            for part in response.raw.stream(PART, decode_content=False):
                parts.put(part)
        parts.put(b"")
    except Exception as error:
        parts.put(error)


def _in_words(error: Exception) -> str:
    """The system's reason alone, where requests and urllib3 have wrapped theirs around it."""
    reason = re.search(r"\[Errno[^'\")]*", str(error))
    return reason[0] if reason else str(error)
