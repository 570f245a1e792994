"""Another source's images under white light."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch

from longtail_mix import ShadesOfGray
from reproduction.data.isic2018 import ISIC2018
from reproduction.data.synthetic import Synthetic
from reproduction.data.task import Frame, Images, Source, Task


@dataclass(frozen=True)
class WhiteLight(Source):
    """Shades of gray on every whole frame (Finlayson and Trezzi 2004; for dermoscopy Barata et al. 2014).

    Args:
        of: the source.
        p: order of the mean.
    """

    of: Synthetic | ISIC2018 = field(default_factory=Synthetic)
    p: float = 6.0

    def task(self, frame: Frame, seed: int) -> Task:
        """All sides of it."""
        task = self.of.task(frame, seed)
        aside = None if task.validation is None else self.corrected(task.validation)
        return replace(
            task, train=self.corrected(task.train), load_test=lambda: self.corrected(task.test()), validation=aside
        )

    def corrected(self, side: Images) -> Images:
        """The images of a side."""
        correct = ShadesOfGray(self.p)
        return replace(side, images=torch.cat([correct(some) for some in side.images.split(256)]))
