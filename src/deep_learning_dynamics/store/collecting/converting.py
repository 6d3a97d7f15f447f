"""Checkpoints that only the library that made them can read, converted in a process of its own.

Whatever a file does to that process, the one that collects lives on. A request and its answer are a
line of JSON each.
"""

import atexit
import json
import os
import pkgutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import CheckpointError

SECONDS = 3600  # that reading one checkpoint may take


class RefusedError(Exception):
    """A checkpoint that is not converted; the message says why."""


class Converter:
    """The process, started when it is first needed and again if it dies."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def convert(
        self, function: Callable[..., dict[str, Any]], path: Path, out: Path, **options: Any
    ) -> dict[str, Any]:
        """``function(path, out, **options)`` in the process.

        Raises:
            CheckpointError: the function refused the checkpoint, or did not survive it.
        """
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import main; main()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        process = self._process
        request = {
            "function": f"{function.__module__}:{function.__name__}",
            "path": str(path.resolve()),
            "out": str(out),
            "options": options,
        }
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        try:
            process.stdin.write(json.dumps(request) + "\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            answer = json.loads(process.stdout.readline() or "null")  # type: ignore[union-attr]
        except (OSError, ValueError):
            answer = None
        except BaseException:
            self.close()  # its answer would be taken for that to the next request
            raise
        finally:
            timer.cancel()
        if answer is None:
            self.close()
            raise CheckpointError(
                f"{path} ended the process that read it. It is damaged, too large for the "
                f"memory, or took more than {SECONDS:,} seconds."
            )
        if "refused" in answer:
            raise CheckpointError(f"{path} {answer['refused']}")
        return answer

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


CONVERTER = Converter()
atexit.register(CONVERTER.close)


def main() -> None:
    """Answer requests until standard input ends."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # what libraries print is no answer
        for line in sys.stdin:
            request = json.loads(line)
            try:
                function = pkgutil.resolve_name(request["function"])
                answer = function(Path(request["path"]), Path(request["out"]), **request["options"])
            except RefusedError as refused:
                answer = {"refused": str(refused)}
            except Exception as error:
                answer = {"refused": f"cannot be read ({error!r}). Copy it again, or leave it out."}
            print(json.dumps(answer), file=answers, flush=True)
