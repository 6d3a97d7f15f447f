"""A network that is no perceptron: one convolution and one linear layer."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from deep_learning_dynamics.study.networks import NETWORKS
from deep_learning_dynamics.study.networks.module import ModuleNetwork


@NETWORKS.register
class Convolutional(ModuleNetwork):
    key, title = "convolutional", "convolutional network"

    @dataclass(frozen=True)
    class Settings:
        channels: Annotated[int, Field(ge=1, le=64)] = 4

    def build(self, shape, classes):
        import torch

        return torch.nn.Sequential(
            torch.nn.Conv2d(1, self.settings.channels, 5, stride=4),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(self.settings.channels * 36, classes),
        )
