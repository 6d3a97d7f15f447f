"""Training of multilayer perceptrons with the same bits on every processor, and fast.

A network's path depends on its start, its batches and its settings alone: not on the processor, the
number of threads or the other networks that train at the same time. Every sum is added in a fixed
order in IEEE arithmetic, without contraction; exp and log are our own (``arithmetic``).

``ensemble`` is the way in. Its networks are split into blocks (``blocks``), each of which takes
its steps on one thread (``steps``) with the products of ``layers``.
"""

from deep_learning_dynamics.study.kernel.architecture import Architecture, Layer, initial_weights
from deep_learning_dynamics.study.kernel.ensemble import PortableEnsemble

__all__ = ["Architecture", "Layer", "PortableEnsemble", "initial_weights"]
