"""The order of the house: imports run one way, and reading a store needs neither torch nor MLflow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import deep_learning_dynamics

PACKAGE = "deep_learning_dynamics"
ROOT = Path(deep_learning_dynamics.__file__).parent
# From the bottom up. A module may import what is on lower lines, and within its own package.
LAYERS = (
    (
        "errors",
        "seeds",
        "registry",
        "formatting",
        "files",
        "quantities",
        "environment",
        "workspace",
    ),
    ("execution",),
    ("store",),
    ("selection", "null_models", "predictions"),
    ("projection", "geometry"),
    ("inference",),
    ("results",),
    ("figures",),
    ("report",),
    ("tracking",),
    ("study",),
    ("cli",),
)
# Shortcuts of the public API, imported when they are called: they go up on purpose.
SHORTCUTS = {("projection", "figures"), ("inference", "figures")}
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def imports():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts == ("__init__",):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module] if node.module != PACKAGE else [
                    f"{PACKAGE}.{alias.name}" for alias in node.names
                ]  # fmt: skip
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                if name.startswith(f"{PACKAGE}."):
                    yield parts[0], name.split(".")[1], path.relative_to(ROOT).as_posix()


def test_every_module_has_a_place():
    modules = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert modules - {"__init__", "__pycache__"} <= LEVEL.keys()


def test_imports_run_one_way():
    wrong = {
        f"{where} imports {target}"
        for source, target, where in imports()
        if source != target
        and (source, target) not in SHORTCUTS
        and target in LEVEL
        and LEVEL[target] >= LEVEL[source]
        and not (LEVEL[target] == LEVEL[source] == 0)
    }
    assert not wrong


def test_the_library_knows_nothing_of_the_study():
    words = ("mnist", "omniglot", "pretrained")
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in sorted(ROOT.rglob("*.py"))
        if path.relative_to(ROOT).parts[0] not in ("study", "cli")
        for word in words
        if word in path.read_text("utf-8").lower()
    ]
    assert not found


@pytest.mark.parametrize("heavy", ["torch", "mlflow", "umap", "matplotlib", "sklearn", "xarray"])
def test_importing_the_package_imports_nothing_heavy(heavy):
    code = f"import sys, {PACKAGE}; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
