"""Files are whole or not there, whoever is killed while writing them."""

import signal
import subprocess
import sys

import pytest
from project import variables

from deep_learning_dynamics.files import replacing

WRITES = """
import sys, time
from pathlib import Path
from deep_learning_dynamics.files import replacing
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
