"""A dataset made in Python: bright bars at eight angles."""

import numpy as np

from deep_learning_dynamics.study.datasets import DATASETS, Dataset, DatasetCard, Examples


@DATASETS.register
class Bars(Dataset):
    key, title, target = "bars", "Bars", "angle"
    about = DatasetCard("Bars", "Bars at eight angles, with noise.")

    def embedded(self) -> Examples:
        rng = np.random.default_rng(0)
        labels = np.arange(600) % 8
        y, x = np.mgrid[-13.5:14, -13.5:14]
        angles = np.pi * labels / 8 + rng.normal(0, 0.05, 600)
        distances = x * np.sin(angles)[:, None, None] - y * np.cos(angles)[:, None, None]
        bright = np.abs(distances + rng.normal(0, 2, (600, 1, 1))) < 2
        images = (255 * bright).astype(np.uint8)
        is_test = np.arange(600) >= 480
        return Examples(images, labels, is_test, tuple(f"{22.5 * n:g}°" for n in range(8)))
