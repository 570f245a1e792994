"""CutMix (Yun et al. 2019), and CMO (Park et al. 2022): the same with rare foregrounds on frequent backgrounds."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from longtail_mix.functional import cutmix, random_boxes
from reproduction.methods.sampling import ByClass, Natural
from reproduction.mixes.mix import Counts, Draws, Mix, Mixed, beta, kept, uniform
from reproduction.training.batch import Stream


@dataclass(frozen=True)
class CutMix(Mix):
    """A box of the partner in the labelled image, the label shared by area.

    Args:
        alpha: of Beta(alpha, alpha), which the share of the labelled image comes from.
        probability: with which an image is mixed.
        partners: who the others are.
    """

    alpha: float = 1.0
    probability: float = 1.0
    partners: Natural | ByClass = field(default_factory=Natural)

    def draw(self, count: int, size: int, generator: torch.Generator) -> Draws:
        """The boxes, and who is mixed."""
        boxes = random_boxes(beta(count, self.alpha, generator), size, size, generator)
        return boxes, uniform([count], generator) < self.probability

    def __call__(self, labelled: Stream, partners: Stream, draws: Draws, class_counts: Counts) -> Mixed:  # noqa: ARG002
        """The mixed batch."""
        boxes, chosen = draws
        mixed, target = cutmix(labelled.views[0], labelled.labels, partners.views[0], partners.labels, boxes)
        return kept(chosen, labelled, mixed, target)


def cmo(alpha: float = 1.0, probability: float = 0.5) -> CutMix:
    """CMO: backgrounds as the images come, foregrounds the likelier the rarer their class; every other image."""
    return CutMix(alpha, probability, ByClass(-1.0))
