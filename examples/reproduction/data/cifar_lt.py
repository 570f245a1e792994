"""CIFAR-10-LT and CIFAR-100-LT: torchvision's CIFAR with an exponential profile, as Cao et al. 2019 cut it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torchvision.datasets import CIFAR10, CIFAR100

from longtail_mix.data import long_tail_counts, long_tail_subset
from reproduction.data.task import Frame, Images, Source, Task
from reproduction.training.describe import PLACE

SETS: dict[int, type[CIFAR10]] = {10: CIFAR10, 100: CIFAR100}


@dataclass(frozen=True)
class CifarLT(Source):
    """A long-tailed part of CIFAR's training images; the whole, balanced test set. There is no validation.

    Args:
        classes: which CIFAR.
        imbalance: how many times rarer the last class is.
        max_count: images of the first class; default: all, 5000 or 500.
        seed: which images of a class are kept.
        root: the folder that holds, or gets, ``cifar-10-batches-py`` or ``cifar-100-python``; default: ``data``.
        download: fetch what is missing.
    """

    classes: Literal[10, 100] = 100
    imbalance: float = 100.0
    max_count: int | None = None
    seed: int = 0
    root: Path | None = field(default=None, metadata=PLACE)
    download: bool = field(default=False, metadata=PLACE)

    def task(self, frame: Frame, seed: int) -> Task:  # noqa: ARG002  the same images for every seed
        """The sides.

        Raises:
            ValueError: a frame of another size than 32.
            RuntimeError: the files are not there.
        """
        if frame.size != 32:
            raise ValueError(f"frame.size: expected 32 for CIFAR, got {frame.size}")
        train = self._read(train=True)
        labels = torch.tensor(train.targets)
        most = self.max_count or int(torch.bincount(labels).max())
        rows = long_tail_subset(labels, long_tail_counts(most, len(train.classes), self.imbalance), self.seed)

        def load_test() -> Images:
            test = self._read(train=False)
            return side_of(test, torch.arange(len(test)))

        name = f"CIFAR-{self.classes}-LT, imbalance {self.imbalance:g}"
        return Task(name, tuple(train.classes), side_of(train, rows), load_test)

    def _read(self, train: bool) -> CIFAR10:
        return SETS[self.classes](str(self.root or "data"), train=train, download=self.download)


def side_of(data: CIFAR10, rows: Tensor) -> Images:
    """Some of its images; each is a group of its own."""
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2)[rows].contiguous()
    return Images(images, torch.tensor(data.targets)[rows], tuple(map(str, rows.tolist())))
