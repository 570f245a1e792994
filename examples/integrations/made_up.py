"""What the programs of this folder train on: 64 made-up skin images of three classes, and a small network."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from longtail_mix import InBatch, MixedTarget, MixUp, RandomPairing
from longtail_mix.data import synthetic_dermoscopy

CLASSES = 3


class Images(Dataset[tuple[Tensor, int]]):
    """Images [N, 3, H, W], uint8, and their labels; floating point in [0, 1] when they are read."""

    def __init__(self, images: Tensor, targets: Tensor) -> None:
        self.images, self.targets = images, targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.images[row] / 255, int(self.targets[row])


def made_up(counts: tuple[int, ...] = (44, 14, 6), seed: int = 0) -> Images:
    data = synthetic_dermoscopy(counts, size=32, seed=seed)
    return Images(data.images, data.labels)


def small_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)
    )


def mixup() -> nn.Module:
    """Any mix of images and labels would do: SPMix, CutMix, CMO and the others."""
    return InBatch(MixUp(), RandomPairing())


def cross_entropy(logits: Tensor, target: Tensor | MixedTarget) -> Tensor:
    """Any loss of longtail_mix takes both kinds of target as they are; PyTorch's takes soft labels."""
    return nn.functional.cross_entropy(logits, target.soft(CLASSES) if isinstance(target, MixedTarget) else target)
