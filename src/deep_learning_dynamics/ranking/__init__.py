"""Which of the pictures is to be believed most, and why: from every projection's quality.json."""

from deep_learning_dynamics.ranking.ranking import Ranked, rank, read_qualities, table, write

__all__ = ["Ranked", "rank", "read_qualities", "table", "write"]
