"""What stages made for methods and datasets that are no longer asked for."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deep_learning_dynamics.files import NOTE


def remove_leftovers(settings: Mapping[str, Any]) -> list[Path]:
    """Remove it: later stages read its folders as a whole.

    DVC's cache keeps what is removed, so that it comes back when it is asked for again.

    Args:
        settings: contents of ``checked/params.json``.
    """
    methods = settings["project"]["methods"]
    datasets = {settings[phase]["dataset"] for phase in ("pretrain", "train")}
    made = [
        path.parent
        for name in ("projection.json", NOTE)
        for path in Path("projections").glob(f"*/{name}")
    ]
    folders = [folder for folder in made if folder.name not in methods]
    for folder in folders:
        shutil.rmtree(folder)
    made = [path for ending in ("json", "npz") for path in Path("data").glob(f"*.{ending}")]
    files = [file for file in made if file.stem not in datasets]
    for file in files:
        file.unlink()
    return [*folders, *files]
