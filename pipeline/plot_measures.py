"""Stage plot_measures: how the arms differ in every measure, over time and layer by layer."""

from pathlib import Path

from deep_learning_dynamics import figures, stage
from deep_learning_dynamics.figures.by_layer import by_layer_figure
from deep_learning_dynamics.figures.forest import forest_figure
from deep_learning_dynamics.figures.measured import read_measured
from deep_learning_dynamics.figures.over_time import over_time_figure
from deep_learning_dynamics.params import Params

FOLDER = Path("figures", "measures")


def main(params: Params) -> None:
    measured = read_measured(Path("measures"), Path("metrics", "measures.json"))
    mnist, omniglot = (
        figures.read_provenance(Path("data", f"{name}.json")) for name in ("mnist", "omniglot")
    )
    drawings = {
        "forest": forest_figure,
        "over_time": over_time_figure,
        "by_layer": by_layer_figure,
    }
    for name, draw in drawings.items():
        figures.save(draw(measured, mnist, omniglot), FOLDER / name, params.plot.dpi)


if __name__ == "__main__":
    stage.run("plot_measures", main)
