"""Lesions with ground-truth masks, half to learn segmentation from and half to measure it on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from longtail_mix.data import isic2018_masks, read_isic2017, read_isic2018, stratified_split, synthetic_dermoscopy
from reproduction.data.task import Frame, Images, Source, Task, pick
from reproduction.training.describe import PLACE

Set = Literal["synthetic", "isic2017", "isic2018"]
HALF_SEED = 0  # as in benchmarks/fidelity_data.py: what is trained on one half is measured on the other


@dataclass(frozen=True)
class Lesions(Source):
    """Images of one class, "lesion", with masks: of each set one half is for training, by lesion, the other the test.

    Args:
        sets: which; made-up dermoscopy, ISIC 2017 Task 1, ISIC 2018 Task 3 with the masks of its lesions.
        isic2017: the folder of ISIC 2017; default: the environment variable ``ISIC2017_ROOT``.
        isic2018: likewise.
    """

    sets: tuple[Set, ...] = ("isic2017",)
    isic2017: Path | None = field(default=None, metadata=PLACE)
    isic2018: Path | None = field(default=None, metadata=PLACE)

    def __post_init__(self) -> None:
        if not self.sets or len(set(self.sets)) < len(self.sets):
            raise ValueError(f"sets: expected some, each once, got {self.sets}")

    def task(self, frame: Frame, seed: int) -> Task:  # noqa: ARG002  the same halves for every seed
        """Both halves of all sets."""
        read = {"synthetic": synthetic, "isic2017": self._isic2017, "isic2018": self._isic2018}
        sets = [read[name](frame) for name in self.sets]
        halves = [[side.rows((held_out == test).nonzero().flatten()) for side, held_out in sets] for test in (0, 1)]
        train, test = (joined(sides) for sides in halves)
        return Task(f"lesions of {', '.join(self.sets)}", ("lesion",), train, lambda: test)

    def _isic2017(self, frame: Frame) -> tuple[Images, Tensor]:
        files = read_isic2017(self.isic2017)
        nothing = torch.zeros(len(files.paths), dtype=torch.int64)  # no classes
        side = Images(frame.images(files.paths), nothing, tuple(files.names), frame.masks(files.masks))
        return side, second_half(nothing, files.names)

    def _isic2018(self, frame: Frame) -> tuple[Images, Tensor]:
        files = read_isic2018(self.isic2018)
        masks = frame.masks(isic2018_masks(files))
        side = Images(frame.images(files.paths), torch.zeros_like(files.labels), files.lesions, masks)
        return side, second_half(files.labels, files.lesions)


def synthetic(frame: Frame) -> tuple[Images, Tensor]:
    """Made-up dermoscopy, 60 images of each of seven kinds."""
    made = synthetic_dermoscopy([60] * 7, frame.size, seed=0)
    side = Images(made.images, torch.zeros_like(made.labels), made.lesions, made.masks)
    return side, second_half(made.labels, made.lesions)


def second_half(labels: Tensor, lesions: Sequence[str]) -> Tensor:
    """Whether each image is in the half that is kept for the test, bool [N]; no lesion is in both."""
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    held_out[stratified_split(labels, lesions, 0.5, HALF_SEED).test] = True
    return held_out


def joined(sides: Sequence[Images]) -> Images:
    """The images of several sets, with masks."""
    masks = [side.masks for side in sides if side.masks is not None]
    groups = tuple(name for side in sides for name in pick(side.groups, torch.arange(len(side))))
    return Images(
        torch.cat([side.images for side in sides]), torch.cat([side.labels for side in sides]), groups, torch.cat(masks)
    )
