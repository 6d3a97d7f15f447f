"""Train the networks of the pretrained arm on OMNIGLOT, from their pair's initialisation."""

from pathlib import Path

import numpy as np

from deep_learning_dynamics import arms, datasets, stage, tracking
from deep_learning_dynamics.networks import Architecture
from deep_learning_dynamics.params import Params
from deep_learning_dynamics.progress import training_progress

SNAPSHOTS = Path("snapshots/pretrain.zarr")


def main(params: Params) -> None:
    tracking.prepare()  # MLflow loads in a process of its own while torch loads here
    from deep_learning_dynamics import training

    settings = params.pretrain
    members = arms.members({"pretrained"} & set(params.train.arms), params.train.networks)
    examples = datasets.load(Path("data/omniglot.npz"))
    task = training.make_task(
        "omniglot",
        examples,
        params.seed,
        params.train.scored_examples,
        params.train.probes,
        training.pick_device(),
    )
    widths = (task.images.shape[1], *params.network.hidden_layers, task.classes)
    architecture = Architecture(widths, params.network.activation)
    weights = arms.starts(members, architecture, params.seed, task.name)
    with (
        tracking.live(Path(), members, "pretrain") as live,
        training_progress("OMNIGLOT", len(members), settings.epochs) as show,
    ):
        outcome = training.train(
            SNAPSHOTS, members, weights, architecture, task, settings, params.seed, [live, show]
        )
    shares = np.bincount(examples.labels[examples.is_test]) / examples.is_test.sum()
    metrics = training.summary(outcome, members, "pretrained") | {
        "chance": round(1 / task.classes, 6),
        "largest_class": round(shares.max(), 6),
    }
    stage.write_json(Path("metrics/pretrain.json"), metrics)
    print(training.headline("pre-trained on OMNIGLOT", metrics), f"(chance {1 / task.classes:.1%})")


if __name__ == "__main__":
    stage.run("pretrain", main)
