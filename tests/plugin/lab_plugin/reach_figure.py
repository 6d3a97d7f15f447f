"""A figure: final accuracy of every network as a point."""

from deep_learning_dynamics.figures.figure import FIGURES, FigureKind


@FIGURES.register
class Reach(FigureKind):
    key, title, needs = "reach", "Final accuracy", ("scores",)

    def draw(self, results, style, variant=""):
        figure = style.figure(height=2.0)
        axes = figure.subplots()
        last = results.scores.drop_duplicates("network", keep="last")
        axes.plot(last["test_accuracy"].to_numpy(), "o")
        return figure

    def caption(self, results, variant=""):
        return "Each point is a network."
