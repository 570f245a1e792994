"""What a training learns from and is judged on: uint8 tensors, dealt into sides; the test side comes last."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor


@dataclass(frozen=True)
class Images:
    """Images of one side of a split."""

    images: Tensor  # uint8 [N, 3, S, S]
    labels: Tensor  # int64 [N]
    groups: tuple[str, ...]  # the lesion, or the patient, that each image shows
    masks: Tensor | None = None  # bool [N, 1, S, S], true inside the lesion
    maps: Tensor | None = None  # uint8 [N, 1, S, S]: what a method wants carried through the views; 255 is 1

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Images:
        """The same on a device."""
        masks, maps = (None if part is None else part.to(device) for part in (self.masks, self.maps))
        return replace(self, images=self.images.to(device), labels=self.labels.to(device), masks=masks, maps=maps)

    def rows(self, rows: Tensor) -> Images:
        """Some of them."""
        masks, maps = (None if part is None else part[rows] for part in (self.masks, self.maps))
        return Images(self.images[rows], self.labels[rows], pick(self.groups, rows), masks, maps)

    def fit(self, device: torch.device, share: float = 0.5) -> bool:
        """Whether they take at most this share of the memory that the device has free."""
        if device.type != "cuda":
            return True
        needed = self.images.nbytes + (0 if self.maps is None else self.maps.nbytes)
        return needed <= share * torch.cuda.mem_get_info(device)[0]


@dataclass(frozen=True)
class Task:
    """What to learn.

    The test side is a function: nothing of it is read before a program calls it, which is its last act.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    load_test: Callable[[], Images]
    validation: Images | None = None  # where the split has one

    def __post_init__(self) -> None:
        check_every_class(self.train, self.classes, "train")
        if self.validation is not None:
            check_every_class(self.validation, self.classes, "validation")

    def class_counts(self) -> tuple[int, ...]:
        """Training images per class."""
        return tuple(torch.bincount(self.train.labels, minlength=len(self.classes)).tolist())

    def test(self) -> Images:
        """The test side, with images of every class."""
        side = self.load_test()
        check_every_class(side, self.classes, "test")
        return side


def check_every_class(side: Images, classes: Sequence[str], name: str) -> None:
    """Raise ``ValueError`` unless there are images of every class."""
    counts = torch.bincount(side.labels, minlength=len(classes)).tolist()
    if 0 in counts:
        raise ValueError(f"{name}: expected images of every class of {tuple(classes)}, got {counts}")


class Source(ABC):
    """A data set and how it is split: what the programs offer as ``--data``."""

    @abstractmethod
    def task(self, frame: Frame, seed: int) -> Task:
        """Read it, with whole images as `frame` makes them; `seed` matters where every seed has a split of its own."""


class Frame(ABC):
    """How an image of any size becomes a square; views are cut from it later."""

    size: int

    @abstractmethod
    def images(self, paths: Sequence[Path]) -> Tensor:
        """Files -> uint8 [N, 3, size, size], decoded once and then from the cache."""

    @abstractmethod
    def masks(self, paths: Sequence[Path]) -> Tensor:
        """Mask files -> bool [N, 1, size, size], in register with the images."""


def pick(names: Sequence[str], rows: Tensor) -> tuple[str, ...]:
    """The names of some rows."""
    return tuple(names[row] for row in rows.tolist())
