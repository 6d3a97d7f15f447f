"""The door of stages: one clear line for whatever is raised behind it, and no setting unseen."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deep_learning_dynamics.study import stage

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
import own_code
from deep_learning_dynamics.study import stage
def main(params, *arguments):
{body}
if __name__ == "__main__":
    stage.run(main)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project's folder with the code of this one."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "src").symlink_to(ROOT / "src")
    shutil.copytree(ROOT / "pipeline", folder / "pipeline")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def run(project):
    """Runs a stage's script with this body; ``wait=False`` gives the process."""

    def start(body, name="fetch", wait=True, arguments=(), **environment):
        script = project / "pipeline" / f"{name}.py"
        script.write_text(
            SCRIPT.format(body="\n".join(f"    {line}" for line in body.splitlines()))
        )
        process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            cwd=project,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        if not wait:
            return process
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    return start


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "open('no/such/file')",
            "no/such/file: No such file or directory. Make it with: dvc repro",
        ),
        (
            "raise OSError(28, 'No space left on device', 'x.npz')",
            "x.npz: No space left on device.",
        ),
        ("raise OSError(27, 'File too large', 'x')", "ulimit -f"),
        ("raise MemoryError('Unable to allocate 3 GiB')", "memory ran out"),
        (
            "raise type('OutOfMemoryError', (RuntimeError,), {})('40 GiB')",
            "the GPU's memory ran out",
        ),
        ("import json; json.loads('{')", "json: Expecting property name"),
        ("import io, zipfile; zipfile.ZipFile(io.BytesIO(b'x'))", "zipfile: File is not a zip"),
        (
            "import io, pyarrow.parquet as p; p.read_table(io.BytesIO(b'x' * 20))",
            "a file of an earlier stage is damaged (pyarrow",
        ),
        ("import no_such_package", "no_such_package cannot be imported"),
        ("from deep_learning_dynamics.errors import DataError; raise DataError('why')", "why"),
    ],
)
def test_what_the_system_and_libraries_raise_is_one_line(run, body, expected):
    status, _, err = run(body)
    assert status == 1
    assert err.startswith("error: ")
    assert expected in err
    assert err.count("\n") == 1


def test_a_mistake_in_the_program_keeps_its_traceback(run):
    status, _, err = run("1 / 0")
    assert status == 1
    assert "Traceback" in err
    assert "ZeroDivisionError" in err


def test_an_invalid_setting_has_its_own_exit_status(run, project):
    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(params.replace("sources: [local", "sources: [lokal"))
    try:
        status, _, err = run("pass")
    finally:
        (project / "params.yaml").write_text(params)
    assert status == 2
    assert err.startswith('error: params.yaml: data.sources is ["lokal"')


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C"}],
)
def test_any_encoding_of_the_terminal_will_do(run, environment):
    status, out, err = run("print('a difference of −3 × 2, “π”')", **environment)
    assert (status, err) == (0, "")
    assert "3" in out


def test_a_backend_that_needs_a_window_is_not_used(run):
    body = (
        "import matplotlib.pyplot as plt\nplt.figure()\nimport matplotlib\n"
        "print(matplotlib.get_backend().lower())"
    )
    status, out, _ = run(body, MPLBACKEND="module://matplotlib_inline.backend_inline")
    assert (status, out) == (0, "agg\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_stage_tidily(run, number):
    body = (
        "import time\ntry:\n    print('ready', flush=True)\n    time.sleep(30)\n"
        "finally:\n    print('tidied up', flush=True)"
    )
    process = run(body, wait=False)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == "tidied up\n"
    assert err == "interrupted\n"


def test_an_interruption_while_packages_load_is_one_line(run, project):
    module = project / "pipeline" / "slow_module.py"
    module.write_text("import time\nprint('ready', flush=True)\ntime.sleep(30)\n")
    process = run("pass", name="slow", wait=False)
    process.communicate(timeout=60)
    script = project / "pipeline" / "slow.py"
    script.write_text("import own_code\nimport slow_module\n")
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode != 0
    assert err == "interrupted\n"


def test_a_stage_sees_the_settings_that_dvc_hashes_and_no_other(run):
    body = "print(sorted(type(params).model_fields))"
    assert run(body, name="fetch")[1] == "['data', 'plugins']\n"
    assert run(body, name="figures")[1] == "['figures', 'plugins']\n"
    assert "'robustness'" in run(body, name="check")[1]


def test_find_writes_what_is_there_and_check_all_settings(project, tmp_path):
    shutil.copytree(ROOT / "pipeline", project / "pipeline", dirs_exist_ok=True)
    environment = os.environ | {"DYNAMICS_DATASETS": str(tmp_path)}
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte").write_text("x")
    for name in ("check", "find"):
        subprocess.run(
            [sys.executable, f"pipeline/{name}.py"], cwd=project, env=environment, check=True
        )
    found = json.loads((project / "checked" / "datasets.json").read_text())
    assert list(found["mnist"]["mnist"]) == ["train-images-idx3-ubyte"]
    assert json.loads((project / "checked" / "plugins.json").read_text()) == {}
    settings = json.loads((project / "checked" / "params.json").read_text())
    assert settings["project"]["som"]["rows"] > 1, "defaults included"


def test_errors_without_an_answer_are_left_alone():
    assert stage.in_words(ValueError("x")) is None
    assert stage.in_words(OSError("x")) is None
    remedy = stage.in_words(OSError(errno.EROFS, "Read-only file system", "figures"))
    assert remedy == (
        "figures: Read-only file system. Run the project in a folder that can be written."
    )
