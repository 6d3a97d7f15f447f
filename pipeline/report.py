"""Stage report: one page that shows the whole experiment and opens without a network."""

from pathlib import Path

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics.report import report
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.study import stage
from deep_learning_dynamics.study.about import about
from deep_learning_dynamics.study.params import Params


def main(params: Params) -> None:
    results = Results.gather(Path())
    report(results, Path("report", "index.html"), about=about(params, results))


if __name__ == "__main__":
    stage.run(main)
