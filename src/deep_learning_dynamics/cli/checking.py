"""``dynamics check``: whether ``params.yaml`` is valid, without running anything."""

from pathlib import Path

from deep_learning_dynamics.cli import settings as setting
from deep_learning_dynamics.cli.opening import Settings
from deep_learning_dynamics.workspace import project_root

EPILOG = "Example: dynamics check -S train.epochs=20"


def command(settings: Settings = None) -> None:
    """Check params.yaml without running anything; exit status 2 if it has a mistake.

    It checks every value, whether values fit each other, and whether disk and memory suffice, and
    estimates how long the run takes. Values given with -S take the place of the file's.
    """
    from deep_learning_dynamics.study import params
    from deep_learning_dynamics.study.estimate import estimate

    root = project_root(Path.cwd())
    values = setting.assignments(settings or [])
    checked = params.validate(setting.checked(root, values), folder=root)
    print(f"params.yaml is valid{f' with {setting.described(values)}' if values else ''}.")
    print(f"All of it takes {estimate(checked).sentence()}.")
