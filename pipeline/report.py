"""Stage report: one page that shows the whole experiment and opens without a network."""

from pathlib import Path

from deep_learning_dynamics import report, stage
from deep_learning_dynamics.params import Params


def main(params: Params) -> None:
    experiment = report.gather(Path(), params)
    report.write(report.assemble(experiment), Path("report", "index.html"))


if __name__ == "__main__":
    stage.run("report", main)
