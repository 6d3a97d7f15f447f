"""Errors that a person can mend: one clear message each, no traceback.

A message says what is wrong, what was found, what was expected and how to mend it. Stages and
the command line print it and leave with ``exit_status``.
"""


class DynamicsError(Exception):
    """Something that the person running the laboratory can put right."""

    exit_status = 1


class ParamsError(DynamicsError):
    """``params.yaml``, or a setting given on the command line, is not valid."""

    exit_status = 2


class DataError(DynamicsError):
    """A dataset is missing, damaged or not what it should be."""


class SnapshotsError(DynamicsError):
    """Weight snapshots are missing, damaged or do not fit what is asked of them."""


class ProjectionError(DynamicsError):
    """Trajectories cannot be projected as asked."""


class TrackingError(DynamicsError):
    """The MLflow store cannot be reached or does not hold what was asked for."""
