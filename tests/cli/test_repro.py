"""The pipeline's lines, its failures and its end at a signal, with the real DVC on small stages."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from project import ROOT, call, variables

from deep_learning_dynamics.cli import repro
from deep_learning_dynamics.tracking.dvc_files import damaged, read_lock

SCRIPT = "from deep_learning_dynamics.cli import repro; from pathlib import Path; import sys;"
SCRIPT += "from deep_learning_dynamics.errors import DynamicsError;"
SCRIPT += "from deep_learning_dynamics.workspace import end_like_ctrl_c; end_like_ctrl_c()\n"
SCRIPT += """
try:
    print(repro.repro(Path("."), verbose="--verbose" in sys.argv))
except DynamicsError as error:
    print("error:", error)
    sys.exit(error.exit_status)
"""
QUICK = "{cmd: 'echo hello > %s; echo said by %s', outs: [%s]}"
SLOW = """
import signal, sys, time
from deep_learning_dynamics.workspace import enter_stage
from pathlib import Path
enter_stage()
try:
    print("waiting", flush=True)
    time.sleep(100)
except KeyboardInterrupt:
    Path("tidied").write_text("up")
    sys.exit(130)
"""


def project(folder, **stages):
    lines = "".join(f"  {name}: {text}\n" for name, text in stages.items())
    (folder / "dvc.yaml").write_text(f"stages:\n{lines}")
    (folder / "params.yaml").write_text("seed: 0\n")
    (folder / "slow.py").write_text(SLOW)
    (folder / ".dvc").mkdir()  # as `dvc init --no-scm` makes it
    (folder / ".dvc/config").write_text("[core]\n    no_scm = True\n")
    return folder


def quick(*names):
    return {name: QUICK % (name, name, name) for name in names}


def run(folder, *words, status=0):
    return call(folder, sys.executable, "-c", SCRIPT, *words, status=status)


def until(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_each_stage_is_one_line_and_dvc_is_silent(tmp_path):
    folder = project(tmp_path, **quick("first", "second"))
    lines = run(folder).splitlines()
    assert [re.sub(r"\d+\.\d s", "T", line) for line in lines] == [
        "  1/2 first  T", "  2/2 second  T", "['first', 'second']"
    ]  # fmt: skip
    assert run(folder).splitlines() == ["[]"]  # nothing has changed


def test_verbose_shows_what_dvc_and_stages_say(tmp_path):
    text = run(project(tmp_path, **quick("first")), "--verbose")
    assert "Running stage 'first'" in text
    assert "said by first" in text


def test_a_failed_stage_says_why_in_its_own_words(tmp_path):
    fails = "{cmd: 'echo at work; echo \"error: no data\" >&2; echo do this >&2; exit 3'}"
    lines = run(project(tmp_path, **quick("first"), second=fails), status=1).splitlines()
    assert lines[1:] == [
        "error: no data", "do this",
        "error: stage second failed, as said above; the rest was not computed",
    ]  # fmt: skip


def test_warnings_of_stages_are_shown(tmp_path):
    warns = "{cmd: 'echo \"warning: stand-ins are used\"', always_changed: true}"
    assert "warning: stand-ins are used" in run(project(tmp_path, first=warns))


def flip(path):
    """Damage a file as a disk does: its times and its mode stay."""
    before, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("part", ["file", "listed file", "list"])
def test_what_comes_back_damaged_from_the_cache_is_computed_again(tmp_path, part):
    act = "echo hello > first"
    if part != "file":
        act = "mkdir -p first; echo hello > first/one; echo you > first/two"
    folder = project(tmp_path, first=f"{{cmd: '{act}', deps: [slow.py], outs: [first]}}")
    run(folder)
    good = {path: path.read_bytes() for path in (folder / "first", *folder.glob("first/*"))
            if path.is_file()}  # fmt: skip
    outputs = read_lock(folder).outputs
    assert damaged(folder, outputs) == []  # our hashes are DVC's
    if part != "file":  # what a killed process left is no part of an output
        left = folder / "first" / ".one.x.partial"
        left.mkdir()
        (left / "one").touch()
        assert damaged(folder, outputs) == []
        shutil.rmtree(left)
    assert damaged(folder, dict.fromkeys(outputs, "0" * 32)) == ["first"]
    cached = sorted((folder / ".dvc/cache/files/md5").glob("*/*"), key=lambda path: path.suffix)
    flip(cached[-1] if part == "list" else cached[0])
    (folder / "dvc.lock").unlink()
    shutil.rmtree(folder / "first") if part != "file" else (folder / "first").unlink()
    said = run(folder)
    assert {path: path.read_bytes() for path in good} == good
    if part != "list":  # a list that is damaged DVC sees for itself
        assert "note: DVC's cache had first damaged; computed again" in said
        assert run(folder).splitlines() == ["[]"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_stage_which_tidies_up(tmp_path, how):
    folder = project(tmp_path, slow=f"{{cmd: {sys.executable} slow.py}}")
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "--verbose"],
        cwd=folder, env=variables(), stdout=subprocess.PIPE, text=True, process_group=0,
        # Under nohup, which these tests may run under, a program rightly ignores SIGHUP.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )  # fmt: skip
    while "waiting" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(how)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait() == 130
    assert "interrupted; the same command continues" in rest
    assert (folder / "tidied").exists()
    assert call(folder, "dvc", "status").strip()  # no lock stays


@pytest.mark.parametrize("who", ["dvc", "dynamics"])
def test_a_stage_ends_when_what_it_works_for_is_killed(tmp_path, who):
    folder = project(tmp_path, slow=f"{{cmd: {sys.executable} slow.py}}")
    command = ["dvc", "repro"] if who == "dvc" else [sys.executable, "-c", SCRIPT, "--verbose"]
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            command, cwd=folder, env=variables(), stdout=said, stderr=said, process_group=0
        )
    until(lambda: "waiting" in (folder / "said").read_text())
    stages = [each for each in psutil.Process(process.pid).children(recursive=True)
              if "slow.py" in each.cmdline()]  # fmt: skip
    assert stages
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(stages, timeout=120)
    assert not alive
    assert (folder / "tidied").read_text() == "up"


@pytest.mark.parametrize("columns", [40, 80])
def test_on_a_terminal_the_line_fits_and_goes_away(tmp_path, columns):
    folder = project(tmp_path, slow="{cmd: sleep 1.5; echo > slow, outs: [slow]}",
                     **{"a_stage_with_a_long_name_of_more_than_forty_letters":
                        "{cmd: sleep 1.5; echo > long, outs: [long]}"})  # fmt: skip
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=folder, stdin=side, stdout=side, stderr=side,
        env=variables(TERM="xterm") | {"COLUMNS": str(columns)}, close_fds=True,
    )  # fmt: skip
    os.close(side)
    text = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(main)
    assert process.wait() == 0
    shown = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode()))
    live = [line for line in shown if " 0 s" in line or "1.0 s" in line or "looking" in line]
    assert live
    assert max(len(line) for line in live) <= columns
    assert any("1/2 slow" in line for line in shown)


WAITS = """
import os, sys, time
from pathlib import Path
name, other = sys.argv[1:]
Path(f"{name}.began").write_text(str(len(os.sched_getaffinity(0))))
end = time.monotonic() + 60
while other and not Path(f"{other}.began").exists():
    assert time.monotonic() < end, f"{other} does not run beside {name}"
    time.sleep(0.05)
Path(name).write_text("done")
"""


def side_by_side(folder, **changes):
    """A project whose stages have the names of ours; some end when another has begun."""
    (folder / "waits.py").write_text(WAITS)
    stages = {"train": "{cmd: 'echo > snapshots', outs: [snapshots]}"}
    for name, needed, other in (
        ("geometry", "snapshots", "project"),
        ("project", "snapshots", "measure"),
        ("measure", "geometry", "project"),
        ("report", "project", "measure"),
    ):
        act = changes.get(name, f"{sys.executable} waits.py {name} {other}")
        stages[name] = f'{{cmd: "{act}", deps: [{needed}], outs: [{name}]}}'
    made = project(folder, **stages)
    (made / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return made


needs_two_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")


@needs_two_cores
def test_stages_that_need_nothing_of_each_other_run_side_by_side(tmp_path):
    folder = side_by_side(tmp_path)
    *lines, ran = run(folder).splitlines()
    assert set(re.findall(r"'(\w+)'", ran)) == {
        "geometry",
        "measure",
        "project",
        "train",
        "report",
    }
    assert [line.split()[0] for line in lines] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert [line.split()[1] for line in lines[::4]] == ["train", "report"]
    shares = [int((folder / f"{name}.began").read_text()) for name in ("project", "geometry")]
    assert sum(shares) <= len(os.sched_getaffinity(0))  # each has cores of its own
    assert "up to date" in call(folder, "dvc", "status")
    assert run(folder).splitlines() == ["[]"]


@needs_two_cores
def test_a_stage_that_fails_beside_another_says_why_and_the_other_is_kept(tmp_path):
    fails = f"{sys.executable} waits.py lost geometry; echo 'error: no memory' >&2; exit 3"
    folder = side_by_side(
        tmp_path,
        project=fails,
        geometry=f"{sys.executable} waits.py geometry lost",
        measure="echo > measure",
    )
    lines = run(folder, status=1).splitlines()
    assert lines[-2:] == [
        "error: no memory",
        "error: stage project failed, as said above; the rest was not computed",
    ]
    assert not (folder / "report").exists()
    assert "geometry" in read_lock(folder).content["stages"]


@needs_two_cores
def test_a_signal_ends_all_stages_that_run_side_by_side(tmp_path):
    slow = f"{sys.executable} slow.py"
    folder = side_by_side(tmp_path, project=slow, geometry=slow)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "--verbose"],
        cwd=folder, env=variables(), stdout=subprocess.PIPE, text=True, process_group=0,
    )  # fmt: skip
    waiting = 0
    while waiting < 2:
        waiting += "waiting" in process.stdout.readline()
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert "interrupted; the same command continues" in process.stdout.read()
    process.stdout.close()
    assert process.wait() == 130
    assert not [each for each in psutil.process_iter(["cwd"]) if each.info["cwd"] == str(folder)]
    assert call(folder, "dvc", "status").strip()  # no lock stays


def test_what_runs_side_by_side_needs_nothing_of_each_other():
    """As dvc.yaml has it, with all that comes before."""
    graph = {}
    for edge in re.findall(r'"(\S+)" -> "(\S+)"', call(ROOT, "dvc", "dag", "--dot")):
        before, after = (name.partition("@")[0] for name in edge)
        graph.setdefault(after, set()).add(before)

    def above(name):
        return set().union(*({each} | above(each) for each in graph.get(name, ())))

    first = {repro.FIRST} | above(repro.FIRST)
    for stage, needed in repro.SIDE_BY_SIDE.items():
        assert above(stage) - first == needed, stage


def test_what_compiles_beside_the_first_stages_ends_with_them(tmp_path):
    before = set(psutil.Process().children())
    with repro._compiling(tmp_path):
        (beside,) = set(psutil.Process().children()) - before
        assert "deep_learning_dynamics.study.precompile" in beside.cmdline()
    assert not beside.is_running()
