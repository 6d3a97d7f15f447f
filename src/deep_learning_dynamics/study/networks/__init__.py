"""Kinds of networks, each a file of its own."""

from deep_learning_dynamics.study.networks.network import (
    NETWORKS,
    Ensemble,
    Network,
    Optimisation,
)

__all__ = ["NETWORKS", "Ensemble", "Network", "Optimisation"]
