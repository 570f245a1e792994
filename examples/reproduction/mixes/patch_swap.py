"""Keep the lesion and the label, change the skin: SPMix's mix by any ratio, for the tail or for every class."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from longtail_mix import MixedTarget, many_medium_few
from longtail_mix.functional import patch_mixup
from reproduction.data.maps import FineGrained, GroundTruth, SkinContrast
from reproduction.methods.sampling import ByClass, Heads, Natural
from reproduction.mixes.mix import Counts, Draws, Mix, Mixed, uniform
from reproduction.mixes.ratios import Displaced, Fidelity, OnePerImage, Paper, Random, Released
from reproduction.training.batch import Stream

AnyRatio = Paper | Released | Fidelity | Random | OnePerImage | Displaced


@dataclass(frozen=True)
class PatchSwap(Mix):
    """The labelled image keeps its label and gets the partner's pixels where the ratio says so.

    Args:
        ratio: the share of the labelled image in each patch.
        maps: the saliency that the ratio looks at.
        tail_only: mix images of the few classes alone, as the paper does; else of every class.
        probability: with which such an image is mixed.
        partners: who the others are.
    """

    ratio: AnyRatio = field(default_factory=Paper)
    maps: FineGrained | SkinContrast | GroundTruth = field(default_factory=FineGrained)
    tail_only: bool = True
    probability: float = 1.0
    partners: Natural | Heads | ByClass = field(default_factory=Heads)

    def check(self, size: int) -> None:
        """Raise ``ValueError`` unless the patches fill views of this size."""
        if size % self.ratio.patch_size:
            raise ValueError(f"patch_size: expected a divisor of the views' {size}, got {self.ratio.patch_size}")

    def draw(self, count: int, size: int, generator: torch.Generator) -> Draws:
        """The ratio's noise, and who is mixed."""
        return 2 * uniform([count, 2, size, size], generator) - 1, uniform([count], generator) < self.probability

    def shares(self, labelled: Stream, partners: Stream, draws: Draws, class_counts: Counts, view: int = 0) -> Tensor:
        """The share of the labelled image in each patch, [B, 1, h, w]; 1 where nothing is mixed."""
        noise, chosen = draws
        # Maps that a ratio does not look at are not carried; it gets the noise in their place.
        own, other = (stream.maps[view] if stream.maps else noise[:, :1] for stream in (labelled, partners))
        ratio = self.ratio(own, other, noise)
        if self.tail_only:
            few = many_medium_few(class_counts).few
            is_few = torch.tensor([label in few for label in range(len(class_counts))], device=ratio.device)
            chosen = chosen & is_few[labelled.labels]
        return torch.where(chosen[:, None, None, None], ratio, 1)

    def __call__(self, labelled: Stream, partners: Stream, draws: Draws, class_counts: Counts) -> Mixed:
        """The mixed batch, the labels as they were."""
        ratio = self.shares(labelled, partners, draws, class_counts)
        mixed = patch_mixup(labelled.views[0], partners.views[0], ratio)
        return mixed, MixedTarget.hard(labelled.labels)
