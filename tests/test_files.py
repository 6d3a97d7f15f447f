"""Files are whole or not there, whoever is killed while writing them."""

import errno
import math
import os
import signal
import subprocess
import sys

import pytest
from project import variables

from deep_learning_dynamics import files
from deep_learning_dynamics.errors import ProjectionError, TooFewRowsError
from deep_learning_dynamics.files import or_note, replacing
from deep_learning_dynamics.projection import Reduction

WRITES = """
import sys, time
from pathlib import Path
from deep_learning_dynamics.errors import ProjectionError, TooFewRowsError
from deep_learning_dynamics.files import or_note, replacing
from deep_learning_dynamics.projection import Reduction
with replacing(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    print("written", flush=True)
    time.sleep(100)
"""


@pytest.fixture
def writer(tmp_path):
    """A process that is writing ``result``."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(tmp_path / "result")],
        stdout=subprocess.PIPE,
        env=variables(),
    )
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_is_removed_by_the_next_writer(tmp_path, writer):
    (tmp_path / "result").write_text("before")
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(names(tmp_path)) == 2
    assert (tmp_path / "result").read_text() == "before"
    with replacing(tmp_path / "result") as partial:
        partial.write_text("whole")
    assert names(tmp_path) == ["result"]
    assert (tmp_path / "result").read_text() == "whole"


def test_what_another_process_is_writing_stays(tmp_path, writer):
    with replacing(tmp_path / "result") as partial:
        partial.write_text("whole")
    (left,) = tmp_path.glob(".result.*.partial")
    assert (left / "result").read_text() == "half"


def test_an_error_leaves_what_was_there(tmp_path):
    folder = tmp_path / "result"
    folder.mkdir()
    (folder / "part").write_text("before")
    with pytest.raises(NotADirectoryError), replacing(folder):
        (folder / "part" / "within").write_text("after")  # a file is no folder
    assert names(tmp_path) == ["result"]
    assert (folder / "part").read_text() == "before"


def test_where_there_is_too_little_a_note_says_so_and_other_errors_stay_errors(tmp_path, capsys):
    with or_note(tmp_path / "reduction"):
        raise TooFewRowsError("There are 0 usable rows.")
    assert (tmp_path / "reduction/README").read_text() == "There are 0 usable rows.\n"
    assert capsys.readouterr().out == "warning: There are 0 usable rows.\n"
    with pytest.raises(ProjectionError), or_note(tmp_path / "projection"):
        raise ProjectionError("There are too many rows.")
    assert names(tmp_path) == ["reduction"]
    with pytest.raises(TooFewRowsError, match="0 usable rows"):
        Reduction.load(tmp_path / "reduction")


def test_where_files_cannot_be_locked_is_an_error_and_writing_goes_on(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    (tmp_path / "lock").touch()
    with pytest.raises(OSError, match="No locks"), files.locked(tmp_path / "lock", math.inf):
        pass
    files.write_json(tmp_path / "numbers.json", [1])
    assert (tmp_path / "numbers.json").read_text() == "[\n  1\n]\n"


def test_what_somebody_else_left_does_not_stop_the_next(tmp_path, monkeypatch):
    left = tmp_path / ".numbers.json.abc.partial"
    left.mkdir()
    opened = os.open

    def forbid(path, *arguments, **options):
        if str(path) == str(left):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(files.os, "open", forbid)
    files.write_json(tmp_path / "numbers.json", [1])
    assert (tmp_path / "numbers.json").exists()
