"""An analysis: at which score networks end, by the forward function, as one number of each."""

import pandas as pd

from deep_learning_dynamics.geometry.analysis import ANALYSES, Analysis, Finding
from deep_learning_dynamics.quantities import Quantity, define

define(Quantity("end_error", "error on the examples of geometry", "%", "lower"))


@ANALYSES.register
class EndError(Analysis):
    key, title, needs = "end_error", "Error at the end", ("forward",)

    @classmethod
    def find(cls, subject):
        runs = subject.runs
        last = (runs["step"].values >= 0).sum(axis=1) - 1
        ends = runs["weights"].values[range(len(last)), last]
        _, accuracy = subject.forward.scores(ends)
        measures = pd.DataFrame(
            {"network": runs["network"].values, "measure": cls.key, "value": 1 - accuracy}
        )
        return Finding({}, {"networks": len(measures)}, measures)
