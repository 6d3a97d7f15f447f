"""The parts of the page that do not depend on an experiment: its own files and plotly.js."""

import importlib.util
from importlib import resources
from pathlib import Path

from deep_learning_dynamics.errors import DataError

SCRIPTS = (
    "data",
    "colours",
    "views",
    "planes",
    "wobble",
    "curves",
    "overlay",
    "networks",
    "time",
    "controls",
    "start",
)


def own(name: str) -> str:
    """A file of ``report/page``."""
    folder = resources.files("deep_learning_dynamics.report") / "page"
    return (folder / name).read_text(encoding="utf-8")


def plotly() -> str:
    """plotly.js as the package plotly ships it; that package is not imported, which is slow.

    Raises:
        DataError: the package is not there, or not the file in it.
    """
    found = importlib.util.find_spec("plotly")
    for folder in [] if found is None else found.submodule_search_locations or []:
        path = Path(folder) / "package_data" / "plotly.min.js"
        if path.exists():
            # Inside a page this would end the script.
            return path.read_text(encoding="utf-8").replace("</script", "<\\/script")
    raise DataError(
        "plotly.min.js was not found in the package plotly; expected plotly 6 or newer. "
        "Install it with: pip install plotly"
    )
