"""The campaign: faults of every kind at random moments, and what they cost. ``make campaign``.

A trial copies a finished project, forgets what some stages made, disturbs the next command, and
then runs the command that a person would run. Whatever looks complete must be complete at any
moment, and the end must be the same, bit for bit, as without the disturbance.
"""
