"""Turn the weights into short vectors with the same distances, once for all methods."""

import deep_learning_dynamics as dld

runs = dld.open("snapshots/runs.zarr")
reduction = dld.reduce(dld.select(runs, "*.weight"))
reduction.save("reduction")
print(f"{len(reduction.rows)} snapshots of {reduction.weights:,} weights: {reduction.description}")
