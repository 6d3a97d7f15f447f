"""What no key can be refused for alone: values that do not go together."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deep_learning_dynamics.params.sections import Params


def disagreements(params: "Params") -> Iterator[str]:
    """A sentence for each: the keys, what was found and what is expected."""
    yield from _repeated(params)
    yield from _untrackable(params)


def _repeated(params: "Params") -> Iterator[str]:
    lists = {
        "data.sources": params.data.sources,
        "train.arms": params.train.arms,
        "project.methods": params.project.methods,
        "track.layers": () if params.track.layers == "all" else params.track.layers,
    }
    for key, values in lists.items():
        for value in dict.fromkeys(value for value in values if values.count(value) > 1):
            yield f"{key} names {value} more than once; expected each at most once."


def _untrackable(params: "Params") -> Iterator[str]:
    track, widths = params.track, params.network.hidden_layers
    count = len(widths) + 1
    shapes = dict(enumerate(zip((784, *widths), (*widths, 10), strict=True), start=1))
    layers = tuple(shapes) if track.layers == "all" else track.layers
    unknown = [layer for layer in layers if layer > count]
    if unknown:
        yield (
            f"track.layers names layer {unknown[0]}; expected numbers from 1 to {count}: "
            f"{len(widths)} hidden layers make {count} layers of weights."
        )
        return
    if track.separately and len({shapes[layer] for layer in layers}) > 1:
        found = ", ".join(f"layer {n}: {shapes[n][0]}×{shapes[n][1]}" for n in layers)
        yield (
            "track.separately is true, but the tracked layers differ in shape "
            f"({found}); expected layers of one shape. Set track.layers to a list of such layers."
        )
    if track.average_hidden_layers:
        hidden = {shapes[n] for n in range(2, count)}
        if track.layers != "all" or track.separately:
            yield (
                "track.average_hidden_layers is true; expected track.layers: all and "
                "track.separately: false beside it, because it averages over the layers."
            )
        elif len(hidden) != 1:
            found = "no hidden-to-hidden layer" if not hidden else f"shapes {sorted(hidden)}"
            yield (
                f"track.average_hidden_layers is true, but network.hidden_layers {list(widths)} "
                f"has {found}; expected two or more hidden layers of one width."
            )
