"""One plug-in of each kind, each in a file of its own, as a user of the program would write them.

Named in ``params.yaml`` as ``plugins: [lab_plugin]``; a test runs the whole pipeline with them.
"""

from lab_plugin import (
    bars,
    convolutional,
    end_error,
    farthest,
    gelu,
    halved,
    polar,
    reach_figure,
)

__all__ = [
    "bars",
    "convolutional",
    "end_error",
    "farthest",
    "gelu",
    "halved",
    "polar",
    "reach_figure",
]
