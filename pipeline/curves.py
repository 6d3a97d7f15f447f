"""Stage curves: the learning curves of both arms and of the pre-training."""

from pathlib import Path

from deep_learning_dynamics import figures, stage
from deep_learning_dynamics.params import Params
from deep_learning_dynamics.trajectories import open_snapshots


def main(params: Params) -> None:
    training, pretraining = (
        figures.scores_of(open_snapshots(Path("snapshots", f"{phase}.zarr")))
        for phase in ("train", "pretrain")
    )
    mnist, omniglot = (
        figures.read_provenance(Path("data", f"{name}.json")) for name in ("mnist", "omniglot")
    )
    figure = figures.learning_curves_figure(training, pretraining, mnist, omniglot)
    figures.save(figure, Path("figures", "learning_curves"), params.plot.dpi)


if __name__ == "__main__":
    stage.run("curves", main)
