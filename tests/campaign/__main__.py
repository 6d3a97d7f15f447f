"""The campaign: ``make campaign``, or ``PYTHONPATH=tests python -m campaign --help``."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from campaign import disturbances, servers, words
from campaign.ground import Ground
from deep_learning_dynamics import seeds
from deep_learning_dynamics.environment import Environment

Trial = Callable[[Ground, str, np.random.Generator], list[str]]
KINDS: dict[str, Trial] = words.KINDS | disturbances.KINDS | servers.KINDS
TRIALS = {  # in 20 minutes on two cores
    "settings": 400,
    "command line": 100,
    "kill": 24,
    "signal": 10,
    "full disk": 8,
    "damage": 16,
    "two at once": 8,
    "server": 6,
}


def tried(kind: str, number: int, seed: int, here: Ground) -> list[str]:
    """What one trial lost; its folder stays if there is something."""
    name = f"{kind.replace(' ', '-')}-{number}"
    try:
        found = KINDS[kind](here, name, seeds.generator(seed, "campaign", kind, number))
    except Exception as error:
        found = [f"the trial itself failed: {error!r}"]
    if not found:
        for path in here.folder.glob(f"{name}*"):
            if path.name in (name, f"{name}.log") or path.name.startswith(f"{name}-"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    for each in found:
        print(f"lost: {kind}, trial {number}, seed {seed}: {each}", flush=True)
    return found


def campaign(here: Ground, chosen: dict[str, int], seed: int, jobs: int, end: float) -> int:
    """Run the trials, kinds in turn, until the time is over; 1 if something was lost."""
    order = sorted((number / count, kind, number) for kind, count in chosen.items()
                   for number in range(count))  # fmt: skip
    survived: dict[str, list[bool]] = {kind: [] for kind in chosen}

    def one(trial: tuple[float, str, int]) -> None:
        _, kind, number = trial
        if time.monotonic() < end:
            survived[kind].append(not tried(kind, number, seed, here))

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, order))
    print(table(survived))
    return 0 if all(all(each) for each in survived.values()) else 1


def table(survived: dict[str, list[bool]]) -> str:
    """How many trials of each kind were survived, as Markdown."""
    lines = ["| kind | survived | tried |", "|---|---|---|"]
    lines += [f"| {kind} | {sum(each)} | {len(each)} |" for kind, each in survived.items()]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="how long, about (20)")
    parser.add_argument("--only", choices=KINDS, action="append", help="this kind; may be repeated")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments (0)")
    parser.add_argument("--trial", type=int, help="this one alone, to see a loss again")
    parser.add_argument("--jobs", type=int, default=2, help="trials at once (2)")
    parser.add_argument("--folder", type=Path, help="work here, and use what was prepared here")
    given = parser.parse_args()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup would have every trial ignore it
    folder = given.folder or Path(tempfile.mkdtemp(prefix="dynamics-campaign-"))
    begin = time.monotonic()
    ready = (folder / "finished/summary").exists()
    here = Ground.of(folder) if ready else Ground.prepare(folder)
    (folder / "finished/summary").touch()
    kinds = given.only or list(KINDS)
    share = given.minutes / 20 * sum(TRIALS.values()) / sum(TRIALS[kind] for kind in kinds)
    chosen = {kind: max(1, round(TRIALS[kind] * (share if given.only else given.minutes / 20)))
              for kind in kinds}  # fmt: skip
    print(f"{datetime.now(UTC):%Y-%m-%d}, {Environment.current().processor}, seed {given.seed}; "
          f"in {folder}", flush=True)  # fmt: skip
    if given.trial is not None:
        return 1 if [k for k in kinds if tried(k, given.trial, given.seed, here)] else 0
    status = campaign(here, chosen, given.seed, given.jobs, begin + 60 * given.minutes)
    if status == 0 and given.folder is None:
        shutil.rmtree(folder)
    return status


if __name__ == "__main__":
    sys.exit(main())
