"""What every script in ``pipeline/`` shares: parameters in, seconds and clear errors out."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.errors import DynamicsError
from deep_learning_dynamics.params import Params

TIMINGS = Path("timings")


def run(name: str | None, main: Callable[[Params], Any]) -> None:
    """Check ``params.yaml``, call ``main`` with it and keep how long it took.

    An error that a person can mend is printed as one message, without a traceback, and ends the
    process with its exit status. The time lies in ``timings/NAME.json`` (seconds), apart from the
    stage's other outputs, which are the same bytes at every repetition. ``None`` keeps no time.
    """
    start = time.perf_counter()
    try:
        main(parameters.load())
    except DynamicsError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    if name is not None:
        write_json(TIMINGS / f"{name}.json", {"seconds": round(time.perf_counter() - start, 3)})


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON, the folder included; the file is whole or not there at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    partial.write_text(f"{text}\n", encoding="utf-8")
    partial.replace(path)
