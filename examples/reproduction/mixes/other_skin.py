"""The lesion alone on other skin: soft edges, no patches, and no ghost of the partner's lesion, which is filled in."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log, pi

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix import MixedTarget
from longtail_mix.functional import fill_in, placed_grid
from reproduction.data.maps import FineGrained, GroundTruth, SkinContrast
from reproduction.methods.sampling import ByClass, Heads, Natural
from reproduction.mixes.mix import Counts, Draws, Mix, Mixed, rolled, uniform
from reproduction.training.batch import Stream


@dataclass(frozen=True)
class OtherSkin(Mix):
    """``m own + (1 - m) skin``: m is the image's map, skin the partner with what its own map shows filled in.

    An image whose map shows next to nothing stays as it is: there is no telling what would have to be kept.

    Args:
        maps: how likely a pixel shows the lesion; nearly 0 or 1.
        probability: with which an image, of any class, is mixed.
        partners: who the others are.
        keep_tone: shift the partner's skin to the mean colour of the image's own, a channel at a time.
        degrees: turn the lesion by up to so much to either side.
        scale: the largest factor by which it grows, and its inverse the smallest.
        move: how far it goes: 1 anywhere in the image, 0 where it was.
        least: the smallest share of the image that a map has to show.
        displaced: a control: both maps are moved round the image by a random offset, the edges joined. As much is
            mixed and in the same shapes, and where they lie says nothing of the lesions.
    """

    maps: FineGrained | SkinContrast | GroundTruth = field(default_factory=SkinContrast)
    probability: float = 0.5
    partners: Natural | Heads | ByClass = field(default_factory=Natural)
    keep_tone: bool = False
    degrees: float = 0.0
    scale: float = 1.0
    move: float = 0.0
    least: float = 0.01
    displaced: bool = False

    def draw(self, count: int, size: int, generator: torch.Generator) -> Draws:  # noqa: ARG002  a mix's form
        """Who is mixed, and how the lesion is turned, scaled and placed."""
        return uniform([count], generator) < self.probability, uniform([count, 4], generator)

    def __call__(self, labelled: Stream, partners: Stream, draws: Draws, class_counts: Counts) -> Mixed:  # noqa: ARG002
        """The mixed batch, the labels as they were."""
        chosen, pose = draws
        own, other = labelled.views[0], partners.views[0]
        keep, theirs = labelled.maps[0], partners.maps[0]
        if self.displaced:
            keep, theirs = rolled(keep, pose[:, :2]), rolled(theirs, pose[:, 2:])
        chosen = chosen & (keep.mean((1, 2, 3)) >= self.least)
        skin = fill_in(other, (1 - theirs).clamp(0, 1))
        if self.keep_tone:
            skin = (skin + mean_skin(own, 1 - keep) - mean_skin(other, 1 - theirs)).clamp(0, 1)
        if self.degrees or self.move or self.scale != 1:
            moved = self.moved(torch.cat([own, keep], 1), keep > 0.5, pose)
            lesion, keep = moved[:, :3], moved[:, 3:]
        else:
            lesion = own
        mixed = torch.where(chosen[:, None, None, None], torch.lerp(skin, lesion, keep), own)
        return mixed, MixedTarget.hard(labelled.labels)

    def moved(self, images: Tensor, lesion: Tensor, pose: Tensor) -> Tensor:
        """Images [B, C, H, W] with the lesion turned, scaled and placed; what comes from outside of them is 0."""
        angle = (2 * pose[:, 0] - 1) * (self.degrees * pi / 180)
        scale = torch.exp((2 * pose[:, 1] - 1) * log(self.scale))
        grid = placed_grid(lesion, angle, scale, pose[:, 2:], self.move)
        return F.grid_sample(images, grid, align_corners=False)


def mean_skin(images: Tensor, skin: Tensor) -> Tensor:
    """The mean colour where there is skin, [B, 3, 1, 1]."""
    return (images * skin).sum((2, 3), keepdim=True) / skin.sum((2, 3), keepdim=True).clamp(min=1)
