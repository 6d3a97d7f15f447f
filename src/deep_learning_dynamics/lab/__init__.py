"""What the commands do with whole experiments: set, import, sweep, list, compare, replicate.

A thin layer over DVC and MLflow; ``commands/`` holds its command line.
"""
