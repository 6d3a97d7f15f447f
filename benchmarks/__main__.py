"""All benchmarks, one after the other, each a process of its own: ``make bench``."""

import subprocess
import sys

ROWS = ("training", "projection", "som", "isometry", "recording")


def main() -> int:
    """Run them; arguments such as ``--quick`` go to each."""
    status = 0
    for name in ROWS:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]]
        status = subprocess.run(command, check=False).returncode or status
    return status


if __name__ == "__main__":
    sys.exit(main())
