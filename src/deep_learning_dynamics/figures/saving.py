"""How figures become files: always the same bytes, and a folder that is whole or untouched."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from deep_learning_dynamics.figures import style
from deep_learning_dynamics.figures.gif import Animation


@style.applied()
def save(drawings: Figure | Mapping[str, Figure | Animation], folder: Path, dpi: int) -> None:
    """Write ``FOLDER/NAME.png`` and ``.svg`` of each figure, ``FOLDER/NAME.gif`` of an animation.

    A figure alone has the name of its folder. The same figure gives the same bytes: no date, no
    version. What was in the folder before goes.
    """
    named = {folder.name: drawings} if isinstance(drawings, Figure) else drawings
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for name, drawing in named.items():
            if isinstance(drawing, Animation):
                drawing.write(partial / f"{name}.gif")
            else:
                _write(drawing, partial / name, dpi)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _write(figure: Figure, path: Path, dpi: int) -> None:
    figure.savefig(path.with_name(f"{path.name}.png"), dpi=dpi, metadata={"Software": None})
    # At 200 dots per inch the few images in it (colour bars) are sharp at any use.
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(path.with_name(f"{path.name}.svg"), dpi=200, metadata=nothing)
