"""All benchmarks, one after the other, each a process of its own: ``make bench``."""

import subprocess
import sys

ROWS = ("training", "projection", "som", "isometry", "recording", "cluster")


def main() -> int:
    """Run them; with ``--quick`` those that have a short form, in that form."""
    status, quick = 0, "--quick" in sys.argv
    for name in ROWS:
        if quick and name == "recording":
            continue
        print(f"\n== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if quick else [])]
        status = subprocess.run(command, check=False).returncode or status
    return status


if __name__ == "__main__":
    sys.exit(main())
