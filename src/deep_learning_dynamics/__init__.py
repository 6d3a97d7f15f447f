"""Deep Learning Dynamics: the paths that networks take through weight space as they learn."""

import os

# Where torch's threads wait for each other they would spin, and on a machine with other work keep
# the one that they wait for from its processor: a step of 0.5 ms took 80. It must be said before
# torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
