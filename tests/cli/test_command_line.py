"""The command line itself: help, version, completion, errors, encodings."""

import subprocess
import sys
from unittest.mock import Mock

from project import ROOT, call, dynamics

from deep_learning_dynamics.cli.show import _figures
from deep_learning_dynamics.tracking import Record

HELP = """
from deep_learning_dynamics.cli import COMMANDS, app
for name in COMMANDS:
    try:
        print("###", name)
        app([name, "--help"])
    except SystemExit:
        pass
"""


def test_every_command_has_help_with_an_example(tmp_path):
    texts = call(tmp_path, sys.executable, "-c", HELP, "--help")  # outside of a project
    for text in texts.split("### ")[1:]:
        name, example = text.split()[0], text.split("Example:")[1]
        assert f"dynamics {name}" in example


def test_help_imports_nothing_heavy():
    script = "import sys; from deep_learning_dynamics.cli import app\n"
    script += "try: app(['--help'])\nexcept SystemExit: pass\n"
    script += (
        "print('heavy:', [n for n in ('torch', 'mlflow', 'pandas', 'numba', 'dvc', 'pydantic',"
    )
    script += " 'matplotlib', 'scipy', 'numpy') if n in sys.modules])"
    assert "heavy: []" in call(ROOT, sys.executable, "-c", script)


def test_the_version_is_printed(tmp_path):
    assert dynamics(tmp_path, "--version").startswith("dynamics 0.")


def test_outside_of_a_project_is_one_clear_line(tmp_path):
    text = dynamics(tmp_path, "list", status=1)
    assert text.startswith("error: There is no dvc.yaml in")
    assert text.count("\n") == 1


def test_a_wrong_option_ends_with_status_2():
    assert "No such option" in dynamics(ROOT, "run", "--nothing", status=2)


def test_the_address_of_a_server_is_shown_without_its_password(tmp_path):
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    address = "http://me:secret@127.0.0.1:9"
    assert dynamics(tmp_path, "ui", MLFLOW_TRACKING_URI=address) == "http://127.0.0.1:9\n"
    text = dynamics(tmp_path, "list", status=1, MLFLOW_TRACKING_URI=address)
    assert "nothing answers" in text
    assert "secret" not in text


def test_ascii_terminals_are_no_error():
    text = dynamics(ROOT, "check", "-S", "seed=-1", status=2, PYTHONIOENCODING="ascii")
    assert text.startswith("error: params.yaml with -S: seed")


def test_a_reader_that_has_seen_enough_is_no_error():
    start = "from deep_learning_dynamics.cli import app; app()"
    process = subprocess.Popen(
        [sys.executable, "-c", start, "import", "--help"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait()


def test_keys_are_completed():
    text = call(
        ROOT, sys.executable, "-c",
        "from deep_learning_dynamics.cli.opening import *;"
        "print(complete_key('train.lea'), complete_method('um'))",
    )  # fmt: skip
    assert text == "['train.learning_rate='] ['umap']\n"


def test_of_a_method_its_paths_are_shown(tmp_path):
    for name in ("nulls-som.png", "animation-som.gif", "paths-som.png", "paths-som.pdf", "som.txt"):
        (tmp_path / "figures" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "figures" / name).touch()
    run = Mock(spec=Record)
    shown = [path.name for path in _figures(tmp_path, "som", run)]
    assert shown[0] == "paths-som.png"
    assert "nulls-som.png" in shown
    assert [path.name for path in _figures(tmp_path, "nulls-som", run)] == ["nulls-som.png"]
