"""CIFAR-10-LT and CIFAR-100-LT: torchvision's CIFAR with an exponential profile, as Cao et al. 2019 cut it."""

from __future__ import annotations

from pathlib import Path

import torch
from images import Images, Task
from torchvision.datasets import CIFAR10, CIFAR100

from longtail_mix.data import long_tail_counts, long_tail_subset


def cifar_lt_task(
    data: type[CIFAR10],
    root: Path,
    imbalance: float,
    seed: int = 0,
    download: bool = False,
    max_count: int | None = None,
) -> Task:
    """The long-tailed training images and the whole, balanced test set.

    Args:
        data: torchvision's ``CIFAR10`` or ``CIFAR100``.
        root: the folder that holds, or gets, ``cifar-10-batches-py`` or ``cifar-100-python``.
        imbalance: how many times rarer the last class is.
        seed: which images of a class are kept.
        download: whether to fetch what is missing.
        max_count: images of the first class. Default: all the data set has, 5000 or 500.
    """
    train, test = (data(str(root), train=side, download=download) for side in (True, False))
    labels = torch.tensor(train.targets)
    if max_count is None:
        max_count = int(torch.bincount(labels).max())
    counts = long_tail_counts(max_count, len(train.classes), imbalance)
    rows = long_tail_subset(labels, counts, seed)
    name = f"{data.__name__}-LT, imbalance {imbalance:g}"
    return Task(name, tuple(train.classes), side_of(train, rows), side_of(test, torch.arange(len(test))))


def side_of(data: CIFAR10, rows: torch.Tensor) -> Images:
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2)[rows].contiguous()
    return Images(images, torch.tensor(data.targets)[rows], tuple(map(str, rows.tolist())))


__all__ = ["CIFAR10", "CIFAR100", "cifar_lt_task"]
