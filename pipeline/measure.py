"""Stage measure: every network without any projection, how conditions differ, the answer."""

from pathlib import Path

import own_code  # noqa: F401 – this project's code, whatever is installed

from deep_learning_dynamics.files import write_json
from deep_learning_dynamics.geometry import Geometry, measure
from deep_learning_dynamics.inference import compare
from deep_learning_dynamics.study import stage, watching
from deep_learning_dynamics.study.params import Params
from deep_learning_dynamics.study.stores import open_runs
from deep_learning_dynamics.study.summary import summary


def main(params: Params) -> None:
    found = Geometry.load(Path("geometry")).measures
    with watching.line("weights measured") as show:
        measures = measure(open_runs(), found=found, progress=show)
    contrasts, more = params.all_contrasts(), "dynamics run -S pairs={pairs}"
    comparisons = compare(measures, contrasts=contrasts, seed=params.seed, command=more)
    measures.save(Path("measures"))
    comparisons.save(Path("comparisons"))
    write_json(Path("metrics/summary.json"), summary(measures, comparisons))
    print(comparisons.verdict.sentence)


if __name__ == "__main__":
    stage.run(main)
