"""Stage measure: every network without any projection, how conditions differ, the answer."""

from pathlib import Path

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics.geometry import Geometry, measure
from deep_learning_dynamics.inference import compare
from deep_learning_dynamics.study import stage, stores, summary, watching
from deep_learning_dynamics.study.params import Params


def main(params: Params) -> None:
    found = Geometry.load(Path("geometry")).measures
    with watching.line("weights measured") as show:
        measures = measure(stores.open_runs(), found=found, progress=show)
    comparisons = compare(measures, **params.comparison_options())
    measures.save(Path("measures"))
    comparisons.save(Path("comparisons"))
    summary.write(measures, comparisons)
    print(comparisons.verdict.sentence)


if __name__ == "__main__":
    stage.run(main)
