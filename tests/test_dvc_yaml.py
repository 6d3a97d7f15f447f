"""dvc.yaml declares exactly what each stage reads: no more, so that nothing is computed in vain, and
no less, so that nothing stale is taken for fresh."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
PACKAGE = "deep_learning_dynamics"
SOURCE = Path("src") / PACKAGE
# These only watch a stage: whatever they do, its outputs are the same.
WATCHERS = {"tracking", "progress"}


def stages():
    """Name and declaration of each stage, ``foreach`` stages once."""
    for name, stage in YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"].items():
        yield name, stage.get("do", stage)


STAGES = dict(stages())


def imported(path):
    """The modules and packages of ours that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}.")}
    return ours - WATCHERS


def files_of(module):
    folder = ROOT / SOURCE / module
    return list(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def reached(script):
    """Every module or package of ours that a script runs."""
    found, waiting = set(), imported(script)
    while waiting:
        module = waiting.pop()
        found.add(module)
        waiting |= set().union(*(imported(path) for path in files_of(module))) - found
    return found


@pytest.mark.parametrize("name", [name for name in STAGES if name != "track"])
def test_a_stage_depends_on_exactly_the_code_that_it_runs(name):
    deps = [Path(dep) for dep in STAGES[name]["deps"]]
    declared = {dep.stem for dep in deps if dep.is_relative_to(SOURCE)}
    script = ROOT / STAGES[name]["cmd"].split()[1]
    assert Path("pipeline") / script.name in deps
    assert declared == reached(script)


def test_track_depends_on_all_code_because_a_run_is_found_by_it():
    assert str(SOURCE) in STAGES["track"]["deps"]


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_says_what_it_is_for(name):
    assert STAGES[name]["desc"]


def test_every_timed_stage_declares_its_timing():
    untimed = {
        name
        for name, stage in STAGES.items()
        if not any("timings/" in out for out in stage.get("outs", []))
    }
    assert untimed == {"check", "track"}
