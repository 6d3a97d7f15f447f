"""Cores and memory follow what the process is allowed; environments say how they differ."""

import dataclasses
import os
import resource
import subprocess
import sys

import pytest

from deep_learning_dynamics import environment
from deep_learning_dynamics.environment import Environment


def machine(tmp_path, groups, files):
    """A root folder with these control groups."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    return tmp_path


@pytest.fixture
def sixty_four(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {}, 64),
        ("0::/\n", {"cpu.max": "max 100000"}, 64),
        ("0::/\n", {"cpu.max": "250000 100000"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),  # half a core is one
        # A limit of a group around ours holds too, and the path of the host need not exist.
        ("0::/job/step\n", {"job/cpu.max": "400000 100000", "job/step/cpu.max": "max 100000"}, 4),
        ("0::/docker/abc\n", {"cpu.max": "300000 100000"}, 3),
        (
            "4:cpu,cpuacct:/a\n2:memory:/a\n",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": 200000, "cpu,cpuacct/a/cpu.cfs_period_us": 100000},
            2,
        ),
        (
            "4:cpu,cpuacct:/a\n",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": -1, "cpu,cpuacct/a/cpu.cfs_period_us": 100000},
            64,
        ),
    ],
)
@pytest.mark.usefixtures("sixty_four")
def test_cores_follow_the_quota(tmp_path, groups, files, expected):
    assert environment.cores(machine(tmp_path, groups, files)) == expected


def test_cores_follow_the_affinity(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert environment.cores(tmp_path) == 2


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/\n", {"memory.max": 5_000_000}),
        ("0::/job/step\n", {"job/memory.max": 5_000_000, "job/step/memory.max": "max"}),
        ("0::/\n", {"memory.max": "max", "memory.high": 5_000_000}),
        ("2:memory:/a\n", {"memory/a/memory.limit_in_bytes": 5_000_000}),
    ],
)
def test_memory_follows_the_group(tmp_path, groups, files):
    assert environment.memory(machine(tmp_path, groups, files)) == 5_000_000


def test_memory_without_limits_is_that_of_the_machine(tmp_path):
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        pytest.skip("this shell is limited")
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert environment.memory(tmp_path) == pages


def test_memory_follows_ulimit():
    script = "from deep_learning_dynamics.environment import memory; print(memory())"
    out = subprocess.run(
        ["bash", "-c", f'ulimit -v 3000000; exec "{sys.executable}" -c "{script}"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(out.stdout) == min(3_000_000 * 1024, environment.memory())


def test_an_environment_survives_json_and_names_what_differs():
    here = Environment.current()
    there = Environment(**here.as_json())
    assert here.differences(there) == []
    assert here.versions["numpy"]
    other = dataclasses.replace(
        here, versions=here.versions | {"numpy": "1.0"}, processor="Z80", threads=99
    )
    assert here.differences(other) == [
        f"numpy {here.versions['numpy']} here, 1.0 there",
        f"processor {here.processor} here, Z80 there",
        f"threads {here.threads} here, 99 there",
    ]
