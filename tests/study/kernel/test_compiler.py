"""Compiled code is cached where it can be, compiled anew when its sources change, never left out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deep_learning_dynamics
from deep_learning_dynamics.registry import import_plugins
from deep_learning_dynamics.study.activations import ACTIVATIONS
from deep_learning_dynamics.study.kernel import Architecture, PortableEnsemble
from deep_learning_dynamics.study.optimisers import Optimisation

VALUE = """
import ctypes
import numpy as np
from deep_learning_dynamics.study.activations import ACTIVATIONS
from deep_learning_dynamics.study.kernel.elementwise import value_of
x, y = np.float32([-1, 3]), np.zeros(2, np.float32)
numbers = ctypes.POINTER(ctypes.c_float)
places = [each.ctypes.data_as(numbers) for each in (x, y)]
value_of(ACTIVATIONS["relu"]).ctypes(*places, 2)
print(y.tolist())
"""
PLUGIN = """
from deep_learning_dynamics.study.activations import ACTIVATIONS, Activation
from deep_learning_dynamics.study.kernel.arithmetic import ONE, logistic


@ACTIVATIONS.register
class Swish(Activation):
    key, title = "swish", "swish"

    @staticmethod
    def value(x: float) -> float:
        return x * logistic(x)

    @staticmethod
    def slope(x: float, y: float) -> float:
        return logistic(x) * (ONE + x - y)
"""


@pytest.fixture
def package(tmp_path):
    """A copy of our package whose sources can be changed."""
    source = Path(deep_learning_dynamics.__file__).parent
    copy = tmp_path / "src" / source.name
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def output(package, code=VALUE, **settings):
    environment = os.environ | {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("NUMBA_CACHE_DIR", None)
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout.strip() or run.stderr.strip().splitlines()[-1]


def compiled_files(package):
    return sorted(package.rglob("*.nbc"))


def test_code_is_compiled_once_and_again_when_a_source_of_it_changes(package):
    assert output(package) == "[0.0, 3.0]"
    before = compiled_files(package)
    assert before
    assert output(package) == "[0.0, 3.0]"
    assert compiled_files(package) == before
    assert output(package, VALUE.replace("relu", "tanh"))[:7] == "[-0.761"
    # A file for each: of numba's, several would share one, and two processes that write different
    # ones at the same time can leave one's code under the other's key.
    assert len(list(package.rglob("*.nbi"))) == len(compiled_files(package)) == 2
    functions = package / "study" / "activations" / "functions.py"
    functions.write_text(functions.read_text().replace("else x", "else x + x"))
    assert output(package) == "[0.0, 6.0]"


def test_where_nothing_can_be_written_code_is_compiled_without_a_cache(package, tmp_path):
    """As in a read-only container. A file where a folder should be keeps even root from writing."""
    (package / "study" / "kernel" / "__pycache__").touch()
    (tmp_path / "file").touch()
    nowhere = str(tmp_path / "file")
    assert output(package, HOME=nowhere, XDG_CACHE_HOME=nowhere) == "[0.0, 3.0]"
    assert not compiled_files(package)


def test_without_a_compiler_there_is_one_clear_message(package):
    found = output(package, NUMBA_DISABLE_JIT="1")
    assert "ParamsError: NUMBA_DISABLE_JIT is set" in found
    assert "Unset NUMBA_DISABLE_JIT" in found


def test_an_activation_from_a_plugin_trains_and_is_differentiated_right(tmp_path, monkeypatch):
    import torch

    (tmp_path / "swish_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    import_plugins(("swish_plugin",))
    assert "swish" in ACTIVATIONS
    architecture = Architecture((9, 4, 4, 3), "swish")
    rng = np.random.default_rng(0)
    start = rng.normal(0, 1, (1, architecture.size)).astype(np.float32)
    images, labels = rng.integers(0, 256, (30, 9), np.uint8), rng.integers(0, 3, 30)
    ensemble = PortableEnsemble(architecture, start, Optimisation("sgd", 0.1))
    ensemble.train(images, labels, np.arange(30)[None], 10)

    network = torch.nn.Sequential(
        torch.nn.Linear(9, 4),
        torch.nn.SiLU(),
        torch.nn.Linear(4, 4),
        torch.nn.SiLU(),
        torch.nn.Linear(4, 3),
    ).double()
    torch.nn.utils.vector_to_parameters(torch.from_numpy(start[0]).double(), network.parameters())
    stepper = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    for chosen in torch.arange(30).split(10):
        stepper.zero_grad()
        logits = network(torch.from_numpy(images[chosen]).double() / 255)
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels[chosen])).backward()
        stepper.step()
    expected = torch.nn.utils.parameters_to_vector(network.parameters()).detach().numpy()
    np.testing.assert_allclose(ensemble.weights()[0], expected, rtol=1e-4, atol=1e-6)
