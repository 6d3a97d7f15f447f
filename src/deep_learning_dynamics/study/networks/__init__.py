"""Kinds of networks, each a file of its own."""

from deep_learning_dynamics.study.networks.network import NETWORKS, Ensemble, Network

__all__ = ["NETWORKS", "Ensemble", "Network"]
