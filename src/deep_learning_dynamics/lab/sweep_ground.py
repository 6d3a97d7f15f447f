"""What a sweep stands on: a project in git whose code DVC's copies have, and the datasets."""

import subprocess
import sys
from pathlib import Path

from deep_learning_dynamics import tracking
from deep_learning_dynamics.errors import DynamicsError
from deep_learning_dynamics.experiments import InterruptionError, environment

FETCH = ("fetch@mnist", "fetch@omniglot")


class SweepError(DynamicsError):
    """A sweep cannot be made here, or some of it failed."""


def check(root: Path) -> None:
    """Refuse what DVC's queue cannot do, or would do with other code than there is.

    Raises:
        SweepError: what is missing, and how to mend it.
    """
    if tracking.is_off():
        raise SweepError(
            "DYNAMICS_TRACKING is off; a sweep finds in MLflow what is complete. Unset it."
        )
    tracked = _git(root, "ls-files", "--error-unmatch", "dvc.yaml")
    if tracked is None or not _git(root, "rev-parse", "--verify", "--quiet", "HEAD"):
        raise SweepError(
            f"{root} is in no git commit; expected one, because DVC runs queued experiments in "
            "copies that it makes with git. Make one: git init && git add . && git commit -m start"
        )
    _use_git(root)
    code = ("src", "pipeline", "dvc.yaml", "params.yaml")
    unknown = _git(root, "ls-files", "--others", "--exclude-standard", "--", *code)
    if unknown:
        raise SweepError(
            f"git does not know {', '.join(unknown.split())}; expected all code in git, because "
            "the copies in which experiments run have nothing else. Add it: "
            f"git add {' '.join(unknown.split())}"
        )


def fetch(root: Path) -> str:
    """Get the datasets once instead of once in each copy; their fingerprint.

    Raises:
        SweepError: they could not be had.
        InterruptionError: Ctrl-C.
    """
    command = [sys.executable, "-m", "dvc", "repro", "--quiet", *FETCH]
    status = subprocess.run(command, cwd=root, env=environment(), check=False).returncode
    if status in (130, 252):
        raise InterruptionError("interrupted; the same command continues")
    if status != 0:
        raise SweepError("the datasets could not be fetched, as said above; nothing was queued")
    return tracking.fingerprint(root).data


def _use_git(root: Path) -> None:
    """Undo what ``prepare_dvc`` told DVC while there was no git here."""
    from configparser import ConfigParser

    config = ConfigParser()
    config.read(root / ".dvc" / "config.local")  # which may not be there
    if config.get("core", "no_scm", fallback="") == "true":
        print("git is here now: telling DVC so with dvc config --local --unset core.no_scm")
        command = [sys.executable, "-m", "dvc", "config", "--local", "--unset", "core.no_scm"]
        subprocess.run(command, cwd=root, env=environment(), check=False)


def _git(root: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None
