"""dvc.yaml declares exactly what each stage reads: no more, so that nothing is computed in vain, and
no less, so that nothing stale is taken for fresh."""

import ast
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from deep_learning_dynamics.study import stage
from deep_learning_dynamics.study.params import SECTIONS

ROOT = Path(__file__).parents[1]
PACKAGE = "deep_learning_dynamics"
SOURCE = Path("src") / PACKAGE
# From the lowest; a function's import of something higher up is a door for people (a method that
# draws, for example), not something that a stage runs.
LAYERS = (
    (
        "errors",
        "registry",
        "files",
        "formatting",
        "quantities",
        "seeds",
        "environment",
        "execution",
    ),
    ("project",),
    ("store",),
    ("selection", "null_models", "predictions"),
    ("projection", "geometry"),
    ("inference",),
    ("results",),
    ("figures",),
    ("tracking",),
    ("report",),
    ("study",),
)
# What only watches a stage, or lets it in: whatever they do, its outputs are the same.
WATCHERS = {"tracking", "project", "study/watching.py", "study/stage.py"}
# Checks settings, for which it imports all registries; a stage imports those that it uses itself.
SETTINGS = "study/params.py"


def layer(part):
    (found,) = (
        n for n, names in enumerate(LAYERS) if part.split("/")[0].removesuffix(".py") in names
    )
    return found


@cache
def parts_of(name):
    """The part of the package that a dotted name lies in, as dvc.yaml names it: "study/params.py"."""
    if name == PACKAGE or not name.startswith(f"{PACKAGE}."):
        return None
    words = name.split(".")[1:]
    depth = 2 if words[0] == "study" else 1
    path = ROOT / SOURCE
    for word in words[:depth]:
        if (path / f"{word}.py").exists():
            return (path / f"{word}.py").relative_to(ROOT / SOURCE).as_posix()
        if not (path / word).is_dir():
            break
        path /= word
    found = path.relative_to(ROOT / SOURCE).as_posix()
    return None if found in (".", "study") else found


class Imports(ast.NodeVisitor):
    """Names that a file imports: when it is imported itself, and when its functions run."""

    def __init__(self):
        self.at_once, self.later, self._depth = set(), set(), 0

    def visit_If(self, node):
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self.generic_visit(node)

    def visit_FunctionDef(self, node):
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def visit_Import(self, node):
        self._add(alias.name for alias in node.names)

    def visit_ImportFrom(self, node):
        self._add(f"{node.module}.{alias.name}" for alias in node.names)

    def _add(self, names):
        found = {part for part in map(parts_of, names) if part}
        (self.later if self._depth else self.at_once).update(found)


@cache
def imported(path, own):
    imports = Imports()
    imports.visit(ast.parse(path.read_text()))
    downwards = {part for part in imports.later if own is None or layer(part) <= layer(own)}
    return (imports.at_once | downwards) - WATCHERS


def files_of(part):
    path = ROOT / SOURCE / part
    return list(path.rglob("*.py")) if path.is_dir() else [path]


def reached(script):
    """Every part of the package that a script runs."""
    found, waiting = set(), imported(script, None)
    while waiting:
        part = waiting.pop()
        found.add(part)
        if part != SETTINGS:
            waiting |= set().union(*(imported(path, part) for path in files_of(part))) - found
    return found


def stages():
    """Name and declaration of each stage, ``foreach`` stages once."""
    for name, declared in YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"].items():
        yield name, declared.get("do", declared)


STAGES = dict(stages())


@pytest.mark.parametrize("name", [name for name in STAGES if name not in ("check", "log")])
def test_a_stage_depends_on_exactly_the_code_that_it_runs(name):
    deps = [Path(dep) for dep in STAGES[name]["deps"]]
    declared = {d.relative_to(SOURCE).as_posix() for d in deps if d.is_relative_to(SOURCE)}
    script = ROOT / STAGES[name]["cmd"].split()[1]
    assert Path("pipeline") / script.name in deps
    assert declared == reached(script)


def test_what_every_run_looks_up_is_hashed_by_what_depends_on_it():
    assert STAGES["find"]["always_changed"]
    assert "checked/params.json" in STAGES["find"]["deps"], "mistakes are refused first"
    assert "checked/datasets.json" in STAGES["fetch"]["deps"]


def test_log_depends_on_all_code_because_a_run_is_found_by_it():
    assert str(SOURCE) in STAGES["log"]["deps"]


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_says_what_it_is_for(name):
    assert STAGES[name]["desc"]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_gets_the_sections_that_it_declares(name):
    sections = stage.declared(name, ROOT / "dvc.yaml")
    assert set(sections) <= set(SECTIONS)
    if not sections:
        assert "params.yaml" in STAGES[name]["deps"]


@pytest.mark.parametrize("name", [name for name in STAGES if name not in ("check", "find", "log")])
def test_a_stage_that_looks_up_variants_runs_again_when_a_plugin_changes(name):
    assert "checked/plugins.json" in STAGES[name]["deps"]
    assert "plugins" in stage.declared(name, ROOT / "dvc.yaml")


@pytest.mark.parametrize("name", STAGES)
def test_scripts_are_short(name):
    script = ROOT / STAGES[name]["cmd"].split()[1]
    assert len([line for line in script.read_text().splitlines() if line]) <= 25
