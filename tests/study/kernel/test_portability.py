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
    "identity sgd": ["8474e2799ed45dbf", "0f43f41b1a154cbc", "2922577914beaa3e"],
    "identity adam": ["e5197a22439fa544", "0d0a2bc8784b7e8c", "75a06d8316e12f5a"],
    "logistic sgd": ["ff5c94f99d81110f", "ac999188b08b1afb", "1cd50a4358171d53"],
    "logistic adam": ["1e2b26fcd844ce35", "516b0c0bde3b6edd", "14f92bb14c0a43ee"],
    "tanh sgd": ["74e0d883832683e4", "f9ad7c9c9ac58ce8", "e390765c964e45a4"],
    "tanh adam": ["2049545ba62b8658", "ed0f09031efdee82", "7bfb903426a7a64d"],
    "relu sgd": ["17f6d7464c783a19", "16684b7900578c6d", "e4ec299c52ce2807"],
    "relu adam": ["726b3e63a8e28c95", "62695563ca162a2f", "6d937a7028d1e809"],
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
