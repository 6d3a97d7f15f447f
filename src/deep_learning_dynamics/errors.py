"""Errors that a person can fix: one clear message each, no traceback.

A message says what is wrong, what was found, what was expected and how to fix it. Stages and the
command line print it and exit with ``exit_status``.
"""


def first_line(error: BaseException) -> str:
    """What an error of another library says first; the name of its class if it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class DynamicsError(Exception):
    """Something that the person running the program can put right."""

    exit_status = 1


class ParamsError(DynamicsError):
    """A setting is not valid, in ``params.yaml``, on the command line or in a call."""

    exit_status = 2


class DataError(DynamicsError):
    """A dataset is missing, damaged or not what it should be."""


class StoreError(DynamicsError):
    """Stored trajectories are missing, damaged or do not fit what is asked of them."""


class CheckpointError(DynamicsError):
    """A checkpoint cannot be read safely, or does not belong to the others."""


class ProjectionError(DynamicsError):
    """A selection cannot be projected as asked."""


class TooFewRowsError(ProjectionError):
    """There is too little to project, as where every network diverged."""


class ResultsError(DynamicsError):
    """A result on disk is missing or damaged."""


class TrackingError(DynamicsError):
    """The MLflow store cannot be reached or does not hold what was asked for."""


class ExecutionError(DynamicsError):
    """Workers cannot be reached, or a task failed on all of them."""
