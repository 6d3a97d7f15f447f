"""Train the networks of both arms on MNIST, all at once."""

from pathlib import Path

from deep_learning_dynamics import arms, datasets, stage, tracking
from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.params import Params
from deep_learning_dynamics.progress import training_progress

PRETRAINED = Path("snapshots/pretrain.zarr")
SNAPSHOTS = Path("snapshots/train.zarr")


def main(params: Params) -> None:
    tracking.prepare()  # MLflow loads in a process of its own while torch loads here
    from deep_learning_dynamics import training

    settings = params.train
    members = arms.members(settings.arms, settings.networks)
    task = training.make_task(
        "mnist",
        datasets.load(Path("data/mnist.npz")),
        params.seed,
        settings.scored_examples,
        settings.probes,
        training.pick_device(),
    )
    widths = (task.images.shape[1], *params.network.hidden_layers, task.classes)
    architecture = Architecture(widths, params.network.activation)
    weights = arms.starts(members, architecture, params.seed, task.name)
    weights = arms.carry_over(weights, members, architecture, PRETRAINED)
    with (
        tracking.live(Path(), members, "train") as live,
        training_progress("MNIST", len(members), settings.epochs) as show,
    ):
        outcome = training.train(
            SNAPSHOTS, members, weights, architecture, task, settings, params.seed, [live, show]
        )
    metrics = {arm: training.summary(outcome, members, arm) for arm in settings.arms}
    stage.write_json(Path("metrics/train.json"), metrics)
    for arm in settings.arms:
        print(training.headline(f"MNIST, {arm}", metrics[arm]))


if __name__ == "__main__":
    stage.run("train", main)
