"""Stage rank: which method's picture may be believed most, and why."""

from pathlib import Path

from deep_learning_dynamics import ranking, stage
from deep_learning_dynamics.params import Params


def main(params: Params) -> None:
    qualities = ranking.read_qualities(Path("projections"), params.project.methods)
    ranked = ranking.rank(qualities)
    ranking.write(ranked, Path("ranking"))
    print(ranking.table(ranked))


if __name__ == "__main__":
    stage.run("rank", main)
