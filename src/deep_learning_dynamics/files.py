"""Files that are whole or not there: atomic writing, and reading with one clear message."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deep_learning_dynamics.errors import ResultsError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; what was written there takes its place at the end.

    Works for files and folders. If the block raises, what was at ``path`` before stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        partial = workspace / path.name
        yield partial
        if path.is_dir() and not path.is_symlink():
            path.rename(workspace / "previous")
        partial.replace(path)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON; NaN is refused, so use ``None`` where a number is not known."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with replacing(path) as partial:
        partial.write_text(f"{text}\n", encoding="utf-8")


def read_json(path: Path, made_by: str) -> Any:
    """Read what :func:`write_json` wrote.

    Args:
        made_by: the command that makes the file, for the message.

    Raises:
        ResultsError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultsError(f"{path} does not exist. Make it with: {made_by}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(
            f"{path} cannot be read ({error}); expected JSON. Make it again with: {made_by}"
        ) from None
