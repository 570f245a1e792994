"""The images an example trains on: made-up dermoscopy or ISIC 2018, split by lesion, as uint8 tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from longtail_mix.data import (
    CLASSES,
    LESION_TYPES,
    Split,
    isic2018_masks,
    load_images,
    load_masks,
    read_isic2018,
    synthetic_dermoscopy,
)

# Long-tailed like ISIC 2018: half of the images show the first class, one in a hundred the last.
SYNTHETIC_COUNTS = (1200, 420, 360, 240, 120, 60, 30)
SYNTHETIC_TEST_PER_CLASS = 60
BACKGROUND_CUE = 0.9


@dataclass(frozen=True)
class Images:
    """Images of one side of a split."""

    images: Tensor  # uint8 [N, 3, S, S]
    labels: Tensor  # int64 [N]
    lesions: tuple[str, ...]
    masks: Tensor | None = None  # bool [N, 1, S, S], true inside the lesion

    def to(self, device: torch.device) -> Images:
        masks = None if self.masks is None else self.masks.to(device)
        return Images(self.images.to(device), self.labels.to(device), self.lesions, masks)


@dataclass(frozen=True)
class Task:
    """What to learn: the class names and the sides, each with images of every class."""

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images
    validation: Images | None = None  # where the split has one

    def __post_init__(self) -> None:
        for side, name in ((self.train, "train"), (self.test, "test"), (self.validation, "validation")):
            if side is None:
                continue
            counts = torch.bincount(side.labels, minlength=len(self.classes)).tolist()
            if 0 in counts:
                raise ValueError(f"{name}: expected images of every class of {self.classes}, got {counts}")

    def class_counts(self) -> list[int]:
        """Training images per class."""
        counts: list[int] = torch.bincount(self.train.labels, minlength=len(self.classes)).tolist()
        return counts

    def to(self, device: torch.device) -> Task:
        validation = None if self.validation is None else self.validation.to(device)
        return Task(self.name, self.classes, self.train.to(device), self.test.to(device), validation)


def synthetic_task(size: int, seed: int, background_cue: float = BACKGROUND_CUE, validation_per_class: int = 0) -> Task:
    """Long-tailed made-up dermoscopy whose skin gives the class away in training and says nothing in the test.

    Validation is like the test; with 0 images a class there is none.
    """
    train = synthetic_dermoscopy(SYNTHETIC_COUNTS, size, seed=2 * seed, background_cue=background_cue)
    per_class = [SYNTHETIC_TEST_PER_CLASS] * len(SYNTHETIC_COUNTS)
    test = synthetic_dermoscopy(per_class, size, seed=2 * seed + 1)
    sides = [Images(side.images, side.labels, side.lesions, side.masks) for side in (train, test)]
    if validation_per_class:
        aside = synthetic_dermoscopy([validation_per_class] * len(SYNTHETIC_COUNTS), size, seed=-1 - seed)
        sides.append(Images(aside.images, aside.labels, aside.lesions, aside.masks))
    return Task(f"synthetic, background cue {background_cue}", LESION_TYPES, *sides)


def isic2018_task(
    size: int,
    seed: int,
    split: Callable[..., Split],
    root: Path | None = None,
    cache_dir: Path | None = None,
    with_masks: bool = False,
) -> Task:
    """ISIC 2018 Task 3, square centre crops, split by lesion; validation where the split has a part for it."""
    data = read_isic2018(root)
    sides = split(data.labels, data.lesions, seed=seed)
    images = load_images(data.paths, size, cache_dir=cache_dir)
    masks = load_masks(isic2018_masks(data), size, cache_dir=cache_dir) if with_masks else None

    def side(rows: Tensor) -> Images:
        lesion_masks = None if masks is None else masks[rows]
        return Images(images[rows], data.labels[rows], pick(data.lesions, rows), lesion_masks)

    validation = side(sides.val) if len(sides.val) else None
    return Task(f"ISIC 2018, {split.__name__}", CLASSES, side(sides.train), side(sides.test), validation)


def pick(names: Sequence[str], rows: Tensor) -> tuple[str, ...]:
    """The names of some rows."""
    return tuple(names[row] for row in rows.tolist())
