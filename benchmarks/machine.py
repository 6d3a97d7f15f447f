"""The machine: what it is (no names), and how fast it multiplies, remembers and reads."""

import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CHUNK = 8 * 2**20  # bytes per read


@dataclass(frozen=True)
class Machine:
    """What results were measured on."""

    processor: str
    cores: int  # that this process may use
    memory: float  # GB
    system: str
    python: str
    libraries: str

    def sentence(self) -> str:
        return (
            f"{self.processor}, {self.cores} cores, {self.memory:.0f} GB of memory, "
            f"{self.system}, Python {self.python}, {self.libraries}"
        )


def describe() -> Machine:
    from importlib.metadata import version

    names = ("torch", "numpy", "scikit-learn")
    return Machine(
        _processor(),
        cores(),
        os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        f"{platform.system()} {platform.machine()}",
        platform.python_version(),
        ", ".join(f"{name} {version(name)}" for name in names),
    )


def cores() -> int:
    """The processors that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)  # macOS has none
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def multiply_rate(size: int = 2048, seconds: float = 0.3) -> float:
    """Floating-point operations per second of a large float32 matrix product on all cores.

    The best of several: what the machine can do when nothing is in the way.
    """
    import torch

    left, right = torch.rand(size, size), torch.rand(size, size)
    out = left @ right
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        torch.mm(left, right, out=out)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def memory_rate(size: int = 256 * 2**20, repeats: int = 5) -> float:
    """Bytes per second at which one core reads memory that no cache holds."""
    values = np.ones(size // 8)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        values.sum()
        best = min(best, time.perf_counter() - start)
    return size / best


def read_rate(files: Iterable[Path]) -> float:
    """Bytes per second at which these files come from the disk, one after the other."""
    files = list(files)
    forget(files)
    buffer, total = bytearray(CHUNK), 0
    start = time.perf_counter()
    for file in files:
        with file.open("rb", buffering=0) as stream:
            while got := stream.readinto(buffer):
                total += got
    return total / (time.perf_counter() - start)


def forget(files: Iterable[Path]) -> None:
    """Let the system drop what it remembers of files, so that the next reader goes to the disk."""
    advise = getattr(os, "posix_fadvise", None)
    if advise is None:  # macOS
        return
    for file in files:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())  # pages that are not written yet would stay
            advise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def peak_memory() -> int:
    """The most bytes that this process has held in memory so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: after a fork its figure starts at the parent's.
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
