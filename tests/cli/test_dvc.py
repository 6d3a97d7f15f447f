"""DVC's files after a kill are repaired; damaged ones of the person's are named."""

import os
import subprocess
import sys
from shutil import copytree

import pytest
from project import call

from deep_learning_dynamics.cli import dvc
from deep_learning_dynamics.cli.copying import copied

LOCK = "schema: '2.0'\nstages:\n  a:\n    cmd: echo\n"


STAGES = "stages:\n  a: {cmd: echo > out, deps: [params.yaml], outs: [out]}\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dvc.yaml").write_text(STAGES)
    (tmp_path / "params.yaml").write_text("seed: 0\n")
    return tmp_path


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A project that was computed."""
    folder = tmp_path_factory.mktemp("complete")
    (folder / "dvc.yaml").write_text(STAGES)
    (folder / "params.yaml").write_text("seed: 0\n")
    call(folder, "dvc", "init", "--no-scm", "--quiet")
    call(folder, "dvc", "repro", "--quiet")
    return folder


@pytest.fixture
def initialised(complete, tmp_path):
    return copytree(complete, tmp_path / "project")


def test_without_git_dvc_is_told_so_in_its_local_settings(folder, capsys):
    dvc.prepare(folder)
    assert "no_scm" in (folder / ".dvc/config").read_text()
    (folder / ".dvc/config").write_text("")
    dvc.prepare(folder)
    assert "no_scm = true" in (folder / ".dvc/config.local").read_text().lower()
    assert "dvc config --local" in capsys.readouterr().out


def test_in_a_subfolder_of_a_repository_git_is_used(folder):
    call(folder.parent, "git", "init", "--quiet")
    try:
        dvc.prepare(folder)
        settings = [path.read_text() for path in (folder / ".dvc").glob("config*")]
        assert "no_scm" not in "".join(settings)
        dvc.call(folder, "repro", "--quiet")
    finally:
        call(folder.parent, "rm", "-rf", ".git", ".gitignore")


@pytest.mark.parametrize("around", [False, True])
def test_a_copy_computes_also_without_git_and_within_somebody_elses_repository(tmp_path, around):
    root = tmp_path / "outer" / "project"
    root.mkdir(parents=True)
    (root / "dvc.yaml").write_text("stages:\n  a: {cmd: echo > out, outs: [out]}\n")
    (root / "params.yaml").write_text("seed: 0\n")
    if around:
        call(root.parent, "git", "init", "--quiet")
    dvc.prepare(root)
    with copied(root, "sweep") as copy:
        dvc.call(copy, "repro")
        assert (copy / "out").exists()
    assert not (root / "out").exists()
    assert not copy.exists()


HELD = '{"read": {"%s/params.yaml": [{"pid": %d, "cmd": "dvc repro"}]}, "write": {}}'


def test_a_lock_is_removed_where_another_process_has_the_number_of_a_killed_dvc(initialised):
    lock = initialised / ".dvc/tmp/rwlock"
    lock.write_text(HELD.replace('"read"', '"write"').replace("[", "").replace("]", "")
                    .replace(', "write": {}', "") % (initialised, os.getpid()))  # fmt: skip
    (initialised / "out").unlink()
    with pytest.raises(dvc.DvcError, match="busy"):
        dvc.call(initialised, "repro", "--force")
    dvc.repair(initialised)
    assert not lock.exists()
    dvc.call(initialised, "repro", "--force")


def test_the_lock_of_a_dvc_at_work_stays(initialised):
    script = "import time; print(1, flush=True); time.sleep(100)"
    process = subprocess.Popen(
        [sys.executable, "-c", script, "dvc", "repro"], stdout=subprocess.PIPE
    )
    process.stdout.readline()
    lock = initialised / ".dvc/tmp/rwlock"
    lock.write_text(HELD % (initialised, process.pid))
    dvc.repair(initialised)
    assert lock.exists()
    process.kill()
    process.wait()
    process.stdout.close()
    dvc.repair(initialised)
    assert not lock.exists()


@pytest.mark.parametrize("content", ["", '{"write": {'])
def test_a_cut_lock_is_removed(initialised, capsys, content):
    lock = initialised / ".dvc/tmp/rwlock"
    lock.write_text(content)
    dvc.repair(initialised)
    assert "removed .dvc/tmp/rwlock" in capsys.readouterr().out
    dvc.call(initialised, "repro", "--quiet")


def test_a_lock_that_an_interruption_cut_is_what_it_was_before(initialised):
    """Wherever it was cut; what is kept, DVC can read."""
    path = initialised / "dvc.lock"
    whole = path.read_bytes()
    kept = set()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        dvc.restore_if_cut(initialised, whole)
        if path.read_bytes() != whole:
            kept.add(cut)
    assert len(kept) < 3
    for cut in kept:
        path.write_bytes(whole[:cut])
        call(initialised, "dvc", "status")
    path.write_bytes(whole)
    dvc.restore_if_cut(initialised, None)
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-1])
    dvc.restore_if_cut(initialised, None)
    assert not path.exists()
    dvc.restore_if_cut(initialised, whole)


def test_an_empty_entry_of_the_run_cache_is_removed(initialised, capsys):
    (entry,) = (initialised / ".dvc/cache/runs").glob("*/*")
    for file in entry.iterdir():
        file.unlink()
    dvc.repair(initialised)
    assert "removed .dvc/cache/runs/" in capsys.readouterr().out
    (initialised / "dvc.lock").unlink()
    dvc.call(initialised, "repro", "--quiet")


def test_an_empty_dvc_lock_is_removed(initialised, capsys):
    (initialised / "dvc.lock").write_text("")
    dvc.repair(initialised)
    assert "removed dvc.lock" in capsys.readouterr().out
    dvc.call(initialised, "repro", "--quiet")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"<<<<<<< HEAD\n{LOCK}=======\n{LOCK}>>>>>>> other\n".encode(), "conflict markers"),
        (b"\xff\xfe\x00binary", "cut"),
        (b"schema: '2.0'\n", "cut"),
    ],
)
def test_a_damaged_dvc_lock_is_named_with_the_command_that_mends_it(initialised, content, reason):
    (initialised / "dvc.lock").write_bytes(content)
    with pytest.raises(dvc.DvcError, match=rf"{reason}.*rm dvc\.lock"):
        dvc.repair(initialised)
    assert (initialised / "dvc.lock").read_bytes() == content


@pytest.mark.parametrize("content", [None, "schema: '2.0'\nstages: {}\n"])
def test_whole_files_stay(initialised, capsys, content):
    if content is not None:
        (initialised / "dvc.lock").write_text(content)
    before = {path: path.read_bytes() for path in initialised.rglob("*") if path.is_file()}
    dvc.repair(initialised)
    assert {path: path.read_bytes() for path in before} == before
    assert capsys.readouterr().out == ""


def test_what_dvc_says_is_one_line(initialised):
    with pytest.raises(dvc.DvcError, match="dvc repro nothing failed: ") as error:
        dvc.call(initialised, "repro", "nothing")
    assert "\n" not in str(error.value)


def test_stages_find_the_file_of_a_cluster_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given, meant in (("slurm.yaml", str(tmp_path / "slurm.yaml")), ("local:4", "local:4")):
        monkeypatch.setenv("DYNAMICS_CLUSTER", given)
        assert dvc.environment()["DYNAMICS_CLUSTER"] == meant
