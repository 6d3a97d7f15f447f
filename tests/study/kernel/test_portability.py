"""The same bits on every processor, with any number of threads, among any other networks."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import short_trainings

SCRIPT = Path(short_trainings.__file__)
EMULATOR = shutil.which("qemu-x86_64")
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
    """The hashes that the script prints, compiled anew."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run(
        [*command, SCRIPT, "relu sgd", "tanh adam"],
        env=environment | settings,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["generic", "nehalem", "haswell", "znver2"])
def test_code_compiled_for_other_processors_gives_the_same_bits(target, tmp_path):
    """This processor runs what is compiled for an older one."""
    if target in ("haswell", "znver2") and "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip(f"this processor cannot run what is compiled for {target}")
    settings = {"NUMBA_CPU_NAME": target, "NUMBA_CPU_FEATURES": ""}
    found = printed([sys.executable], tmp_path, **settings)
    assert found == {key: GOLDEN[key] for key in found}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(EMULATOR is None, reason="needs qemu-x86_64 (Debian: qemu-user)")
@pytest.mark.parametrize("processor", ["EPYC-Rome", "Nehalem"])
def test_emulated_processors_give_the_same_bits(processor, tmp_path):
    found = printed([EMULATOR, "-cpu", processor, sys.executable], tmp_path)
    assert found == {key: GOLDEN[key] for key in found}
