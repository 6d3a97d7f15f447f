"""A measure: the largest distance from the start."""

from deep_learning_dynamics.geometry.measures import MEASURES, Measure


@MEASURES.register
class Farthest(Measure):
    key, title = "farthest", "largest distance from the start"
    meaning = "The largest distance of any snapshot from the first."

    def of(self, data):
        weights = data.read().astype(float)
        return float(((weights - weights[0]) ** 2).sum(axis=1).max() ** 0.5)
