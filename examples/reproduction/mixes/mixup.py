"""Mixup (Zhang et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from longtail_mix.functional import mixup
from reproduction.methods.sampling import Natural
from reproduction.mixes.mix import Counts, Draws, Mix, Mixed, beta
from reproduction.training.batch import Stream


@dataclass(frozen=True)
class MixUp(Mix):
    """Two images laid over each other.

    Args:
        alpha: of Beta(alpha, alpha), which the share of the labelled image comes from.
        partners: who the others are.
    """

    alpha: float = 0.4
    partners: Natural = field(default_factory=Natural)

    def draw(self, count: int, size: int, generator: torch.Generator) -> Draws:  # noqa: ARG002  a mix's form
        """The shares."""
        return (beta(count, self.alpha, generator),)

    def __call__(self, labelled: Stream, partners: Stream, draws: Draws, class_counts: Counts) -> Mixed:  # noqa: ARG002
        """The mixed batch."""
        return mixup(labelled.views[0], labelled.labels, partners.views[0], partners.labels, *draws)
