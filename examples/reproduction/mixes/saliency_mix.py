"""SaliencyMix (Uddin et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from longtail_mix.functional import boxes_around, cutmix
from reproduction.data.maps import FineGrained, GroundTruth, SkinContrast
from reproduction.mixes.cutmix import CutMix
from reproduction.mixes.mix import Counts, Draws, Mixed, beta, kept, uniform
from reproduction.training.batch import Stream


@dataclass(frozen=True)
class SaliencyMix(CutMix):
    """CutMix whose box lies around the most salient pixel of the partner.

    Args:
        maps: the saliency; the others as in :class:`CutMix`.
    """

    maps: FineGrained | SkinContrast | GroundTruth = field(default_factory=FineGrained)

    def draw(self, count: int, size: int, generator: torch.Generator) -> Draws:
        """The shares, what tells equally salient pixels apart, and who is mixed."""
        lam = beta(count, self.alpha, generator)
        return lam, uniform([count, size * size], generator), uniform([count], generator) < self.probability

    def __call__(self, labelled: Stream, partners: Stream, draws: Draws, class_counts: Counts) -> Mixed:  # noqa: ARG002
        """The mixed batch."""
        lam, lots, chosen = draws
        saliency = partners.maps[0].flatten(1)
        size = partners.maps[0].shape[-1]
        peak = torch.where(saliency == saliency.amax(1, keepdim=True), lots, -1.0).argmax(1)
        boxes = boxes_around(torch.stack([peak % size, peak // size], 1), lam, size, size)
        mixed, target = cutmix(labelled.views[0], labelled.labels, partners.views[0], partners.labels, boxes)
        return kept(chosen, labelled, mixed, target)
