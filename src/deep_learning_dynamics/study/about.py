"""What the study's report says of its run: its question, its settings, and where it was made."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deep_learning_dynamics.formatting import listed
from deep_learning_dynamics.report import About
from deep_learning_dynamics.study.stores import open_runs
from deep_learning_dynamics.workspace import commit_of, git

if TYPE_CHECKING:
    from deep_learning_dynamics.results import Results
    from deep_learning_dynamics.study.params import Params

REPLICATE = (
    "dynamics replicate RUN computes the run again and compares every output; RUN is the name of "
    "the run in MLflow that has this page among its artifacts."
)
PACKAGES = ("deep-learning-dynamics", "numpy", "scikit-learn", "torch")  # named in the footer


def about(params: "Params", results: "Results") -> About:
    """The title, facts and footer of the report of the project in this folder."""
    attributes = open_runs().attrs
    task = str(attributes["task"])
    conditions = list(results.titles.get("condition", {}).values())
    earlier = [each["title"] for each in results.provenance if each["title"] != task]
    facts = [("Networks", _network(params)), (f"On {task}", _training(params.train))]
    facts += [(f"Before, on {title}", _training(params.pretrain)) for title in earlier]
    if results.comparisons is not None:
        counts = results.comparisons.counts.values()
        networks, failed = (sum(each[key] for each in counts) for key in ("networks", "failed"))
        facts.append(("Failed", f"{failed} of {networks} networks"))
    facts.append(("Random streams", f"seed {params.seed}"))
    return About(
        title=f"Learning {task} {listed(conditions)}",
        facts=tuple(facts),
        settings=Path("params.yaml").read_text("utf-8"),
        replicate=REPLICATE,
        footer=_footer(attributes),
    )


def _network(params: "Params") -> str:
    settings = vars(params.network.settings()).values()
    shown = [
        "-".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in settings
    ]
    return ", ".join([f"{params.pairs} pairs of {params.network.kind}", *shown])


def _training(settings: Any) -> str:
    return (
        f"{settings.epochs} epochs, {settings.optimiser}, learning rate "
        f"{settings.learning_rate:g}, batches of {settings.batch_size}"
    )


def _footer(attributes: dict[str, Any]) -> str:
    """The code, its date, and the machine that trained the networks."""
    commit, state = commit_of(Path())
    day = git(Path(), "show", "--no-patch", "--format=%cs", "HEAD") if commit != "unknown" else None
    code = f"Commit {commit[:12]} of {day}, {state}" if day else "Code of an unknown commit"
    made = json.loads(attributes["environment"])
    versions = [f"{name} {made['versions'][name]}" for name in PACKAGES if name in made["versions"]]
    return (
        f"{code}. Trained in {attributes['arithmetic']} arithmetic on {made['processor']}, "
        f"{made['device']}, Python {made['python']}, {listed(versions)}."
    )
