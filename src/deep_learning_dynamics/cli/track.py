"""``dynamics track``: logs the outputs that are there to the MLflow store that is set now."""

import json
from pathlib import Path

from deep_learning_dynamics import tracking
from deep_learning_dynamics.cli import dvc
from deep_learning_dynamics.cli.opening import Note
from deep_learning_dynamics.errors import TrackingError
from deep_learning_dynamics.workspace import alone, project_root

EPILOG = "Example: MLFLOW_TRACKING_URI=http://example.org:5000 dynamics track"


def command(note: Note = None) -> None:
    """Log the current outputs to the MLflow store that is set now, unless it has them.

    A run that is finished there is not changed. Outputs that were made with
    other settings or code than the project has now are refused.
    """
    from deep_learning_dynamics.cli.summary import summary
    from deep_learning_dynamics.results import Results
    from deep_learning_dynamics.study import params

    root = project_root(Path.cwd())
    settings = params.load(root / "params.yaml").as_json()
    with alone(root):
        check_outputs(root)
        dvc.repair(root)
        logged = tracking.log(root, settings, note)
    print(summary(root, Results.gather(root), logged))


def check_outputs(root: Path) -> None:
    """Refuse outputs that are not those of the parameters, code and data that there are now."""
    status = json.loads(dvc.call(root, "status", "--json") or "{}")
    # A name with a colon is of a dvc.yaml elsewhere, such as the copy that a run has.
    stale = sorted(
        name
        for name, reasons in status.items()
        if name != "log" and ":" not in name and set(map(str, reasons)) != {"always changed"}
    )
    if stale:
        raise TrackingError(
            f"The outputs of {', '.join(stale)} are missing, or were made with other parameters, "
            "code or data than those in the project now; they would be logged as what they are "
            "not. Make them again with: dvc repro"
        )
