"""Balanced-MixUp (Galdran et al., MICCAI 2021)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from longtail_mix.functional import mixup
from reproduction.methods.sampling import ByClass
from reproduction.mixes.mix import Counts, Draws, Mix, Mixed, uniform
from reproduction.training.batch import Stream


@dataclass(frozen=True)
class BalancedMixUp(Mix):
    """Images as they come, with a little of a class-balanced stream: ``(1 - lam) x_natural + lam x_balanced``.

    ``lam ~ Beta(alpha, 1)``, whose distribution function is ``lam ** alpha``; so ``lam = U ** (1 / alpha)``.

    Args:
        alpha: the smaller, the less of the balanced image.
        partners: the class-balanced stream.
    """

    alpha: float = 0.2
    partners: ByClass = field(default_factory=ByClass)

    def draw(self, count: int, size: int, generator: torch.Generator) -> Draws:  # noqa: ARG002  a mix's form
        """The shares of the balanced images."""
        return (uniform([count], generator) ** (1 / self.alpha),)

    def __call__(self, labelled: Stream, partners: Stream, draws: Draws, class_counts: Counts) -> Mixed:  # noqa: ARG002
        """The mixed batch."""
        (lam,) = draws
        return mixup(labelled.views[0], labelled.labels, partners.views[0], partners.labels, 1 - lam)
