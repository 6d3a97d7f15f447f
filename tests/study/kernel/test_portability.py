"""The same bits on every processor, with any number of threads, among any other networks."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import short_trainings

SCRIPT = (short_trainings.__file__, "relu sgd", "tanh adam")
EMULATOR = shutil.which("qemu-x86_64")
EMULATED = {"nehalem": "Nehalem", "znver2": "EPYC-Rome"}  # the names of LLVM and of QEMU
# First three networks. Found on an Intel Emerald Rapids (AVX-512); the tests below try others.
GOLDEN = {
    "identity sgd": ["f2249ddc79d02ce2", "de0cf711162361cd", "9f1125ec5513e382"],
    "identity adam": ["c72e6ff276b60229", "09e503ccdb02e55b", "d92b26b04309fc90"],
    "logistic sgd": ["b8c462ca318459f9", "a365be260cb90c2e", "c432f0b622f90246"],
    "logistic adam": ["a0a85a50b035b50f", "a372b3d5307cef35", "c8af955e7003d8f6"],
    "tanh sgd": ["a45eedcb2fcde172", "bee088440ebff052", "824e09084318173f"],
    "tanh adam": ["88bec9d7cbdc268f", "889724cafd495ac4", "21dee6a04ad1ae46"],
    "relu sgd": ["f79faf35aa4b7820", "ce6fe8121d580865", "650950efc15832a6"],
    "relu adam": ["0db634e28fd64233", "45ea1bf647579725", "cc54a3707ab8cc5a"],
}
EXPECTED = {key: GOLDEN[key] for key in SCRIPT[1:]}
FEATURES = """
import json
from llvmlite.binding import get_host_cpu_features, get_host_cpu_name
print(json.dumps([get_host_cpu_name(), get_host_cpu_features()]))
"""
COMPILED_FOR = """
import json, runpy, sys
from llvmlite import binding
name, features = json.loads(sys.argv[1])
features = type(binding.get_host_cpu_features())(features)
binding.get_host_cpu_name, binding.get_host_cpu_features = lambda: name, lambda: features
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("combination", short_trainings.COMBINATIONS)
def test_training_has_the_bits_that_it_had_on_other_processors(combination):
    assert short_trainings.hashes(combinations=[combination]) == {combination: GOLDEN[combination]}


@pytest.mark.parametrize("own_order", [False, True])
def test_the_first_network_has_its_bits_in_ensembles_of_3_and_30_on_1_and_2_threads(own_order):
    for networks in (3, 30):
        for threads in (1, 2):
            results = short_trainings.trained("relu", "sgd", networks, own_order, threads)
            assert short_trainings.hash_of(results, 0) == GOLDEN["relu sgd"][0]


def printed(command, cache, **settings):
    """The hashes that the script prints, or another one."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run(
        command, env=environment | settings, capture_output=True, text=True, check=True
    )
    return json.loads(run.stdout)


def can_run(processor):
    """Whether this processor has what code for another one may need."""
    return processor in ("generic", "nehalem") or "avx2" in Path("/proc/cpuinfo").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["generic", "haswell", *(() if EMULATOR else EMULATED)])
def test_code_compiled_for_other_processors_gives_the_same_bits(target, tmp_path):
    """This processor runs what is compiled for an older one."""
    if not can_run(target):
        pytest.skip(f"this processor cannot run what is compiled for {target}")
    settings = {"NUMBA_CPU_NAME": target, "NUMBA_CPU_FEATURES": ""}
    assert printed([sys.executable, *SCRIPT], tmp_path, **settings) == EXPECTED


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(EMULATOR is None, reason="needs qemu-x86_64 (Debian: qemu-user)")
@pytest.mark.parametrize("target", EMULATED)
def test_emulated_processors_give_the_same_bits(target, tmp_path):
    """Code for exactly that processor runs here, then there.

    It is compiled here, which takes a tenth of the time.
    """
    emulated = [EMULATOR, "-cpu", EMULATED[target], sys.executable]
    features = printed([*emulated, "-c", FEATURES], tmp_path)
    assert features[0] == target
    if can_run(target):
        here = [sys.executable, "-c", COMPILED_FOR, json.dumps(features), *SCRIPT]
        assert printed(here, tmp_path) == EXPECTED
    compiled = sorted(tmp_path.rglob("*.nbc"))
    assert printed([*emulated, *SCRIPT], tmp_path) == EXPECTED
    assert sorted(tmp_path.rglob("*.nbc")) == compiled or not can_run(target)
