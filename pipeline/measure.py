"""Stage measure: paths and learning of every network, and how the arms differ; no projection."""

from pathlib import Path

from deep_learning_dynamics import measures, stage
from deep_learning_dynamics.params import Params


def main(params: Params) -> None:
    pretrain, train = (Path("snapshots", f"{phase}.zarr") for phase in ("pretrain", "train"))
    measured = measures.measure(pretrain, train)
    contrast = measures.contrast(measured, params.seed)
    nulls = measures.against_nulls(measured, params.seed)
    measures.write(measured, contrast, nulls, Path("measures"), Path("metrics", "measures.json"))
    print(" ".join([measures.conclusion(contrast), nulls.sentence()]).strip())


if __name__ == "__main__":
    stage.run("measure", main)
