"""Stage sheet: the projections of all methods side by side."""

from pathlib import Path

from deep_learning_dynamics import figures, stage
from deep_learning_dynamics.params import Params


def main(params: Params) -> None:
    projections = [
        figures.read_projection(Path("projections", method), method)
        for method in params.project.methods
    ]
    mnist, omniglot = (
        figures.read_provenance(Path("data", f"{name}.json")) for name in ("mnist", "omniglot")
    )
    figure = figures.sheet_figure(projections, mnist, omniglot)
    figures.save(figure, Path("figures", "sheet"), params.plot.dpi)


if __name__ == "__main__":
    stage.run("sheet", main)
