"""Measure every network without any projection, and compare the optimisers."""

import deep_learning_dynamics as dld

measures = dld.measure(dld.open("snapshots/runs.zarr"), by="optimiser")
comparisons = dld.compare(measures, by="optimiser")
measures.save("measures")
comparisons.save("comparisons")
print(comparisons.verdict.sentence)
