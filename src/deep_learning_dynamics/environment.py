"""What this process runs on and with, and how much of the machine it may use."""

import hashlib
import math
import os
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (  # those whose version can change a number or a picture
    "deep-learning-dynamics",
    "numpy",
    "scipy",
    "numba",
    "torch",
    "scikit-learn",
    "umap-learn",
    "opentsne",
    "minisom",
    "xarray",
    "zarr",
    "pandas",
    "matplotlib",
    "dvc",
    "mlflow",
)


@dataclass(frozen=True)
class Environment:
    """What numbers may depend on besides parameters, code and data."""

    versions: dict[str, str]  # of the installed packages in PACKAGES
    processor: str  # "AMD EPYC 7B13 (znver3)"
    device: str  # "cpu", or the name of the accelerator
    threads: int
    python: str
    platform: str

    @classmethod
    def current(cls, device: str = "cpu") -> "Environment":
        """That of this process, which may use as many threads as :func:`cores`."""
        versions = {}
        for package in PACKAGES:
            with suppress(metadata.PackageNotFoundError):
                versions[package] = metadata.version(package)
        return cls(
            versions=versions,
            processor=_processor(),
            device=device,
            threads=cores(),
            python=platform.python_version(),
            platform=f"{platform.system()} {platform.machine()}",
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON; ``Environment(**values)`` is the same again."""
        return asdict(self)

    def differences(self, other: "Environment") -> list[str]:
        """What differs, one phrase each: "numpy 2.1.0 here, 2.0.2 there"."""
        found = {
            name: (self.versions.get(name, "none"), other.versions.get(name, "none"))
            for name in sorted(self.versions.keys() | other.versions.keys())
        }
        for name in ("python", "processor", "device", "threads", "platform"):
            found[name] = (getattr(self, name), getattr(other, name))
        return [
            f"{name} {here} here, {there} there"
            for name, (here, there) in found.items()
            if here != there
        ]


@cache
def package_digest() -> str:
    """A digest of the package's code, as one version number may cover several states of it."""
    digest, root = hashlib.blake2b(digest_size=4), Path(__file__).parent
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def cores(root: Path = Path("/")) -> int:
    """How many cores this process may use: its affinity and the quotas of its control groups.

    joblib's count knows the quota of the topmost group alone, not those that a cluster nests.
    """
    try:
        limits: list[float] = [len(os.sched_getaffinity(0))]
    except AttributeError:  # not on macOS
        limits = [os.cpu_count() or 1]
    for folder in _groups(root, "cpu"):
        # Version 2: "150000 100000" or "max 100000"; version 1: a file each, -1 for no limit.
        files = ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us")
        words = " ".join(_read(folder / name) for name in files).split()
        if len(words) == 2 and words[0].isdigit():
            limits.append(int(words[0]) / int(words[1]))
    return max(1, math.floor(min(limits)))


def memory(root: Path = Path("/")) -> int:
    """How many bytes this process may use: limits of its control groups and its own, or all.

    It is what is allowed, not what is free.
    """
    import resource

    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _groups(root, "memory"):
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):  # 2, 2, 1
            text = _read(folder / name)
            if text.isdigit():
                limits.append(int(text))
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            limits.append(soft)
    return min(limits)


def _groups(root: Path, controller: str) -> list[Path]:
    """Folders of the control groups that this process is in, with those around them."""
    found = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        hierarchy, controllers, group = line.split(":", 2)
        mount = root / "sys/fs/cgroup"
        if hierarchy != "0":  # version 1: a tree for each controller
            if controller not in controllers.split(","):
                continue
            mount /= controllers
        # Within a container the path may be the host's, which is not mounted: then only the
        # topmost folder exists, and it is the container's own.
        folder = mount / group.strip("/")
        found += [folder, *(up for up in folder.parents if up.is_relative_to(mount))]
    return found


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _processor() -> str:
    # What the instruction set is matters more than the name, and differs under emulation.
    from llvmlite.binding import get_host_cpu_name

    lines = [line.partition(":") for line in _read(Path("/proc/cpuinfo")).splitlines()]
    names = [value.strip() for key, _, value in lines if key.strip() == "model name"]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name} ({get_host_cpu_name()})"
