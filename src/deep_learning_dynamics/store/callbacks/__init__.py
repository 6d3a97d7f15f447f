"""Recorders for trainings that a library runs; each module needs that library alone."""
