"""The project that a process works in: root, home, code, commit, and who else is at work."""

import os
import subprocess
import sys
import time

import pytest
from project import ROOT, call, variables

from deep_learning_dynamics import workspace
from deep_learning_dynamics.errors import DynamicsError


def test_the_root_is_the_nearest_folder_with_a_pipeline(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "dvc.yaml").write_text("")
    assert workspace.project_root(tmp_path / "a/b") == tmp_path
    with pytest.raises(DynamicsError, match=r"no dvc\.yaml"):
        workspace.project_root(tmp_path.parent)


def test_a_copy_in_dvcs_folder_has_the_project_as_its_home(tmp_path):
    copy = tmp_path / ".dvc/tmp/exps/tmpabc"
    assert workspace.home_of(copy) == tmp_path
    assert workspace.home_of(copy / ".dvc/tmp/dynamics/sweep") == tmp_path
    assert workspace.home_of(tmp_path) == tmp_path


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    (folder / "src").mkdir(parents=True)
    (folder / "dvc.yaml").write_text("")
    (folder / "src/code.py").write_text("")
    call(folder, "git", "init", "--quiet")
    call(folder, "git", "add", ".")
    identity = ("-c", "user.name=t", "-c", "user.email=t@t")
    call(folder, "git", *identity, "commit", "--quiet", "-m", "start")
    return folder


def test_the_commit_and_whether_the_code_is_its(repository):
    commit, state = workspace.commit_of(repository)
    assert len(commit) == 40
    assert state == "as committed"
    (repository / "src/code.py").write_text("changed")
    assert workspace.commit_of(repository) == (commit, "differs from the commit")
    assert workspace.commit_of(repository / ".dvc/tmp/dynamics/copy")[0] == commit


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_checkout_of_another_user_has_its_commit(repository):
    call(repository, "chown", "-R", "12345", ".")
    assert call(repository, "git", "status", status=128)  # git itself refuses
    assert len(workspace.commit_of(repository)[0]) == 40


def test_without_git_the_commit_is_unknown(tmp_path):
    assert workspace.commit_of(tmp_path) == ("unknown", "unknown")


def test_somebody_at_work_in_the_project_is_seen(tmp_path):
    tool = tmp_path / "dvc"
    tool.write_text(f"#!{sys.executable}\nimport time\nprint(1, flush=True)\ntime.sleep(100)\n")
    tool.chmod(0o755)
    inside = tmp_path / "project/.dvc/tmp/exps/x"
    inside.mkdir(parents=True)

    def started(folder, *words):
        process = subprocess.Popen([tool, *words], cwd=folder, stdout=subprocess.PIPE)
        process.stdout.readline()
        return process

    others = [started(tmp_path / "project", "status"), started(inside, "repro"),
              started(tmp_path, "repro")]  # fmt: skip
    try:
        assert workspace.working(tmp_path / "project") is None
        others.append(started(tmp_path / "project", "repro", "--force"))
        found = workspace.working(tmp_path / "project")
        assert found == f"dvc repro --force (process {others[-1].pid})"
        with (
            pytest.raises(DynamicsError, match=r"dvc repro.*expected to be alone"),
            workspace.alone(tmp_path / "project"),
        ):
            pass
    finally:
        for process in others:
            process.kill()
            process.wait()
            process.stdout.close()


def test_the_lock_ends_with_its_process(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from deep_learning_dynamics import workspace\n"
        "with workspace.alone(Path(sys.argv[1])): print(1, flush=True); time.sleep(100)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], env=variables(), stdout=subprocess.PIPE
    )
    process.stdout.readline()
    with pytest.raises(DynamicsError, match="another dynamics"), workspace.alone(tmp_path):
        pass
    process.kill()
    process.wait()
    process.stdout.close()
    time.sleep(0.1)
    with workspace.alone(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / ".dvc").write_text("a file where a folder should be")
    with pytest.raises(DynamicsError, match="cannot be written"), workspace.alone(tmp_path):
        pass


def test_words_get_through_any_encoding():
    script = "from deep_learning_dynamics.workspace import print_anywhere; print_anywhere();"
    script += "print('−1 · 2 … é')"
    text = call(ROOT, sys.executable, "-c", script, PYTHONIOENCODING="ascii")
    assert text == "-1 - 2 ... ?\n"
