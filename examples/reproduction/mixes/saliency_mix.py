"""SaliencyMix (Uddin et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from longtail_mix.functional import boxes_around, cutmix
from reproduction.data.maps import FineGrained, GroundTruth, SkinContrast
from reproduction.methods.sampling import Natural
from reproduction.mixes.mix import Counts, Draws, Mix, Mixed, beta, kept, uniform
from reproduction.training.batch import Stream


@dataclass(frozen=True)
class SaliencyMix(Mix):
    """CutMix whose box lies around the most salient pixel of the partner.

    Args:
        alpha: of Beta(alpha, alpha), which the share of the labelled image comes from.
        probability: with which an image is mixed.
        partners: who the others are.
        maps: the saliency.
    """

    alpha: float = 1.0
    probability: float = 1.0
    partners: Natural = field(default_factory=Natural)
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
