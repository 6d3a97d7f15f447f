"""Odd settings and odd command lines: one clear message, or valid; never a traceback."""

import random
import shutil
import string
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from campaign import ground
from campaign.ground import Ground, started
from deep_learning_dynamics.cli import COMMANDS
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.study import params
from deep_learning_dynamics.tracking import flattened
from deep_learning_dynamics.tracking.dvc_files import dumped

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2, 10**9, 10**400, 0.1, -0.5, 1e-300, 1e300, float("nan"), float("inf"),
    "", " ", "none", "pca", "1e-4", "ü✗\U0001f600", "\ud800", "\x00", "x" * 10_000, "*", "[", "{}",
    "../../etc/passwd", [], [[]], [None], {}, {"": {}}, {"a": {"b": 1}}, ["pca", "pca"],
    [8] * 1000, [[[[8]]]], {1: 2}, ["scratch"], 60_000, 10_000,
)  # fmt: skip
SIGNS = string.printable + "ü−\t\x00\x1b"


def settings(here: Ground, name: str, rng: np.random.Generator) -> list[str]:
    """One change of ``params.yaml``: a value, a key, or some of its letters."""
    folder = here.folder / name
    folder.mkdir()
    path = folder / "params.yaml"
    text = (here.finished / "params.yaml").read_text()
    dice = random.Random(int(rng.integers(2**32)))
    mutated = _letters(text, dice) if dice.random() < 0.5 else _values(text, dice)
    path.write_bytes(mutated.encode("utf-8", "surrogatepass"))
    try:
        params.load(path)
    except ParamsError as error:
        lines = str(error).splitlines()
        found = [] if lines else ["an empty message"]
        found += [f"a line is too long: {line[:80]}" for line in lines if len(line) > 1000]
        found += [f"a line names no file: {line}" for line in lines if "params.yaml" not in line]
    except Exception as error:
        found = [f"{type(error).__name__}: {str(error)[:200]}"]
    else:
        found = []
    if not found:
        shutil.rmtree(folder)
    return found


def _letters(text: str, dice: random.Random) -> str:
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(text))
        stop = min(len(text), start + dice.choice([0, 1, 1, 5, 60]))
        text = text[:start] + "".join(dice.choices(SIGNS, k=dice.choice([0, 1, 2]))) + text[stop:]
    return text


def _values(text: str, dice: random.Random) -> str:
    raw = YAML(typ="safe", pure=True).load(text)
    for _ in range(dice.choice([1, 1, 2])):
        key = dice.choice([key for key in flattened(raw) if key != "plugins"])
        *sections, last = key.split(".")
        section = raw
        for part in sections:
            section = section[part]
        act = dice.random()
        value = section.pop(last)
        if act < 0.7:
            section[last] = dice.choice(ODD)
        elif act < 0.85:
            section[last + dice.choice("sx.")] = value
    try:
        return dumped(raw)
    except Exception:  # no YAML has this value
        return text.replace(": ", f": {dice.choice(ODD)!r}", 1)


def command_line(here: Ground, name: str, rng: np.random.Generator) -> list[str]:
    """One odd ``dynamics`` command in a copy of the finished project."""
    project = here.copy(name)
    dice = random.Random(int(rng.integers(2**32)))
    odd = [str(each) for each in ODD if "\x00" not in str(each) and "\ud800" not in str(each)]
    command = dice.choice([*COMMANDS, dice.choice(odd)])
    words = {
        "run": ["-S", f"{dice.choice(['train.epochs', 'pairs', 'x', ''])}={dice.choice(ODD[2:4])}"],
        "check": ["-S", dice.choice(odd) + "=" + dice.choice(odd)],
        "sweep": ["-S", f"seed={dice.choice(['', '-1', '[', 'a,b', '1,1e99'])}"],
        "ui": ["--port", dice.choice(["-1", "x", "99999999", ""])],
        "replicate": [dice.choice([each for each in odd if each != ""])],
    }.get(command, [])
    options = ["--json", "--figure", "--method", "--save", "-o", "--by", "--note", "--key", "-S",
               "--", "-h", "--width", "--report", "latest", "/dev/null", "params.yaml", "."]  # fmt: skip
    words += dice.choices([*odd, *options], k=dice.randint(0, 3))
    line = started(project, "dynamics", command, *words)
    status = line.wait()
    found = ground.tracebacks(line) + line.stay()
    found += [] if status in (0, 1, 2) else [f"it ends with {status}: {line.text[-200:]}"]
    if status != 0:
        found += here.partial(project)
        found += [] if line.text.strip() else ["it says nothing"]
    return [f"dynamics {command[:20]} {[word[:40] for word in words]}: {each}" for each in found]


KINDS = {"settings": settings, "command line": command_line}
