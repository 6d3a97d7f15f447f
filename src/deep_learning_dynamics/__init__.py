"""Deep Learning Dynamics: the paths that networks take through weight space as they learn."""
