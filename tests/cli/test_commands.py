"""The commands on a finished project, which was built once with the real DVC and MLflow."""

import json
import os
import re
import shutil
import sqlite3
from pathlib import Path

import pytest
import typer
from project import ROOT, call, copied, dynamics, in_process, runs_of

from deep_learning_dynamics.cli import repro
from deep_learning_dynamics.cli.replicate import replicate

pytestmark = pytest.mark.pipeline


def run_of(folder):
    (run,) = runs_of(folder)
    return run


def artifacts(folder):
    return folder / "mlruns/artifacts" / run_of(folder)["id"] / "artifacts"


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def test_a_run_ends_with_the_answer_numbers_and_where_to_look(finished):
    text = (finished / "summary.txt").read_text()
    stages = int(re.search(r"^(\d+)/\1 log ", text, re.M)[1])
    numbers = [int(number) for number in re.findall(rf"^ *(\d+)/{stages} ", text, re.M)]
    assert numbers == list(range(1, stages + 1))
    comparisons = json.loads((finished / "comparisons/comparisons.json").read_text())
    assert comparisons["verdict"]["sentence"] in text
    assert "MNIST, from scratch" in text
    assert f"dynamics show {run_of(finished)['name']}" in text
    assert "git add" not in text


def test_the_report_says_what_was_asked_and_where_it_was_made(finished):
    page = (finished / "report/index.html").read_text("utf-8")
    commit = call(finished, "git", "rev-list", "--max-parents=0", "HEAD").strip()
    footer = re.search(r"<footer>(.*?)</footer>", page, re.DOTALL)[1]
    assert f"Commit {commit[:12]}" in footer
    assert "portable arithmetic" in footer
    assert "<title>Learning MNIST from scratch and pre-trained on OMNIGLOT</title>" in page
    assert (finished / "params.yaml").read_text().splitlines()[0] in page


def test_nothing_is_computed_twice(project):
    before = tree(project / "mlruns/artifacts")
    text = dynamics(project, "run")
    assert "Nothing has changed; nothing was computed." in text
    assert run_of(project)["name"] in text
    assert tree(project / "mlruns/artifacts") == before


def test_the_run_page_has_few_metrics_and_curves_with_steps(finished):
    with sqlite3.connect(finished / "mlruns/mlflow.db") as database:
        points = database.execute(
            "SELECT key, step, value FROM metrics WHERE is_nan = 0"
        ).fetchall()
        runs = database.execute("SELECT count(*) FROM runs").fetchone()
    assert runs == (1,)
    assert len({key for key, _, _ in points}) <= 30
    curve = sorted((step, value) for key, step, value in points if key == "accuracy/scratch")
    assert len(curve) == len({step for step, _ in curve}) == 4
    import pandas as pd

    scores = pd.read_parquet(artifacts(finished) / "curves.parquet")
    group = scores[(scores["condition"] == "scratch")]
    expected = group.groupby("step")["test_accuracy"].median()
    assert curve == [(step, pytest.approx(value)) for step, value in expected.items()]


def test_the_run_has_what_people_look_for(finished):
    names = set(tree(artifacts(finished)))
    assert {"params.yaml", "dvc.lock", "report/index.html", "metrics/summary.json",
            "figures/paths-pca.png", "preview/sheet.png"} <= names  # fmt: skip
    assert any(name.startswith("snapshots/train.zarr/") for name in names)
    assert (artifacts(finished) / "params.yaml").read_text() == (
        finished / "params.yaml"
    ).read_text()


def test_a_note_is_text_and_not_html(project):
    shutil.rmtree(project / "mlruns")
    dynamics(project, "track", "--note", "<script>alert(1)</script>")
    with sqlite3.connect(project / "mlruns/mlflow.db") as database:
        tags = dict(database.execute("SELECT key, value FROM tags").fetchall())
    assert "&lt;script&gt;" in tags["mlflow.note.content"]
    assert "<script>" not in tags["mlflow.note.content"]
    assert tags["mlflow.note.content"].startswith("**")
    assert tags["conditions differ"] == "undecided"


def test_tracking_again_adds_nothing(project):
    before = tree(project / "mlruns/artifacts")
    dynamics(project, "track")
    assert tree(project / "mlruns/artifacts") == before
    assert run_of(project)["complete"]


def test_outputs_of_other_settings_are_not_logged(project):
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("dpi: 50", "dpi: 60"))
    text = dynamics(project, "track", status=1)
    assert "The outputs of" in text
    assert "figures" in text


def test_a_damaged_output_is_not_logged(project):
    shutil.rmtree(project / "mlruns")
    path = project / "measures/table.parquet"
    before, data = path.stat(), bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a disk does: unseen by DVC
    text = dynamics(project, "track", status=1)
    assert "measure" in text
    assert "missing, or were made with other" in text or "not what dvc.lock says" in text
    assert '"complete": true' not in in_process(project, "list", "--json")


def test_list_shows_the_answer_and_keeps_names_on_a_narrow_terminal(finished):
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    from deep_learning_dynamics.cli.listing import lines
    from deep_learning_dynamics.tracking import connect, records, store_of

    run = run_of(finished)
    assert run["verdict"] in in_process(finished, "list")
    made = lines(records(connect(store_of(finished))))
    console = Console(file=StringIO(), width=40)
    console.print(Text(made[0][:40]), soft_wrap=True)
    assert run["name"] in console.file.getvalue()


def test_show_names_report_and_figures(finished, tmp_path):
    assert Path(dynamics(finished, "show").strip()) == artifacts(finished) / "report/index.html"
    assert in_process(finished, "show", "--figure", "pca").strip().endswith("paths-pca.png")
    assert in_process(finished, "show", "--method", "forest").strip().endswith("forest.png")
    text = in_process(finished, "show", "--figure", "nothing", status=1)
    assert "expected one of:" in text
    assert "forest" in text
    in_process(finished, "show", run_of(finished)["name"][:-2], "--save", str(tmp_path / "mine"))
    assert (tmp_path / "mine/report/index.html").exists()
    assert (tmp_path / "mine/figures/forest.png").exists()


@pytest.mark.slow
def test_replicating_gives_the_same_and_changes_nothing(project):
    before = {name: data for name, data in tree(project).items() if not name.startswith(".dvc/tmp")}
    text = dynamics(project, "replicate", "latest")
    assert re.search(r"Replicated: all \d+ outputs of .* are identical\.", text)
    assert "Processor of both: " in text
    after = {name: data for name, data in tree(project).items() if not name.startswith(".dvc/tmp")}
    after = {name: data for name, data in after.items() if ".pyc" not in name}
    changed = [name for name in before.keys() | after.keys() if ".pyc" not in name
               and before.get(name) != after.get(name) and not name.startswith(".dvc/cache")]  # fmt: skip
    assert changed == [] or all(name.startswith((".git/", "mlruns/mlflow.db")) for name in changed)


def test_a_replication_that_differs_says_where_and_why(project, monkeypatch, capsys):
    """What is computed again comes from DVC's cache here."""
    stored = artifacts(project) / "dvc.lock"
    text = stored.read_text()
    measures = artifacts(project) / "measures/table.parquet"
    import pandas as pd

    table = pd.read_parquet(measures)
    table["value"] *= 1.5
    table.to_parquet(measures)
    md5 = re.search(r"path: measures\n(?:.*\n){0,3}? +md5: (\w+)", text)
    stored.write_text(text.replace(md5[1], "0" * 32))
    again = repro.repro

    def from_cache(root, arguments, **others):
        return again(root, [word for word in arguments if word != "--force"], **others)

    monkeypatch.setattr(repro, "repro", from_cache)
    monkeypatch.chdir(project)
    for name in ("MLFLOW_TRACKING_URI", "DYNAMICS_DATASETS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(typer.Exit):
        replicate("latest")
    said = capsys.readouterr().out
    assert re.search(r"measures +different: largest difference .* in table.parquet: value", said)
    assert "Not replicated: 1 of " in said


@pytest.mark.slow
def test_a_sweep_leaves_edits_where_they_are_and_ends_with_effects(project):
    edited = (project / "params.yaml").read_text() + "# my edit\n"
    (project / "params.yaml").write_text(edited)
    (project / "mlruns").rename(project.parent / "scratch")  # as on clusters
    (project / "mlruns").symlink_to(project.parent / "scratch")
    text = dynamics(project, "sweep", "-S", "figures.dpi=50,51")
    assert "2 experiments, 1 to run" in text
    assert "figures.dpi=51  figures" in text
    # Both are among the complete runs, which are not run again.
    assert re.search(
        r"figures.dpi, mean over the others.*\n +50 +scratch .* \(1 run\)\n"
        r" +51 +scratch .* \(1 run\)\n",
        text,
    )
    (picture,) = re.findall(r"^figure: (compared/\S+\.png)$", text, re.M)
    assert (project / picture).stat().st_size > 10_000
    assert (project / "params.yaml").read_text() == edited
    assert call(project, "git", "stash", "list") == ""
    known = runs_of(project)
    assert len(known) == 2
    # The latest is not the one that finished last, but the one whose outputs are here.
    dynamics(project, "run")
    assert known[-1]["name"] in dynamics(project, "show", "latest", "--save", "saved")


def test_a_sweep_in_which_all_failed_has_no_effects(project):
    (project / "datasets").mkdir()
    text = dynamics(project, "sweep", "-S", "data.sources=[local]", status=1, DYNAMICS_DATASETS="")
    assert "error: 1 of 1 experiments failed" in text
    assert "mean over the others" not in text


def test_what_commands_write_is_not_offered_to_git(project):
    for name in ("dvc_plots/index.html", "compared/a/pca.png", "report/index.html"):
        assert call(project, "git", "check-ignore", name).strip() == name


@pytest.mark.slow
def test_experiments_of_a_sweep_run_on_workers_and_are_logged_from_here(project):
    (project / "datasets").mkdir()  # so that the source "local" has none
    good = ("[embedded, local]", "[local, embedded]")
    tried = f"data.sources={','.join(good)},[local]"
    text = dynamics(project, "sweep", "-S", tried, status=1, DYNAMICS_DATASETS="",
                    DYNAMICS_CLUSTER="local:2")  # fmt: skip
    assert "3 experiments, 3 to run" in text
    for number, sources in enumerate(map(re.escape, good), 1):
        assert re.search(rf"^{number}/3 data.sources={sources}: \S+$", text, re.M)
        # It is found among the complete runs, which are not run again.
        assert re.search(rf"^  {sources} +scratch .* \(1 run\)$", text, re.M)
    assert re.search(r"^  \[local\] +– +\(0 runs\)$", text, re.M)
    assert re.search(r"^data.sources=\[local\]: failed$", text, re.M)
    assert "error: 1 of 3 experiments failed" in text
    assert "OMNIGLOT is in none of data.sources: [local]." in text
    known = runs_of(project)
    assert [run["status"] for run in known] == ["FINISHED"] * 3
    tried = {str(run["differs"]["data.sources"]) for run in known}
    assert tried == {"['embedded']", "['embedded', 'local']", "['local', 'embedded']"}
    assert call(project, "git", "for-each-ref", "refs/exps").count("\n") >= 2
    assert not list((project / ".dvc/tmp/dynamics").glob("sweep-*"))


def test_a_copied_project_runs_its_own_code(finished, tmp_path):
    copy = copied(finished, tmp_path / "copy")
    (copy / "src/deep_learning_dynamics/cli/run.py").write_text(
        (copy / "src/deep_learning_dynamics/cli/run.py")
        .read_text()
        .replace("params.yaml is valid", "the copy says: valid")
    )
    assert "the copy says: valid" in dynamics(copy, "check", PYTHONPATH=str(ROOT / "src"))


def test_what_damaged_files_do_is_said_in_one_line(project):
    (project / "dvc.lock").write_text("<<<<<<< HEAD\nstages:\n=======\n")
    text = dynamics(project, "run", status=1)
    assert text.startswith("error: dvc.lock has conflict markers")
    assert text.count("\n") == 1


def test_settings_are_refused_before_anything_is_touched(project):
    before = (project / "params.yaml").read_bytes()
    text = dynamics(project, "run", "-S", "train.epoch=2", status=2)
    assert text.startswith("error: params.yaml with -S: train.epoch")
    assert "Traceback" not in text
    assert "2020" in dynamics(project, "run", "--timestamp", "x", status=2)
    assert (project / "params.yaml").read_bytes() == before
