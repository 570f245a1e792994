"""Mixup (Zhang et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from longtail_mix import MixedTarget
from longtail_mix.functional import mixup
from reproduction.methods.sampling import Natural
from reproduction.mixes.mix import Mix, beta
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

    def draw(self, count: int, size: int, generator: torch.Generator) -> tuple[Tensor, ...]:  # noqa: ARG002  a mix's form
        """The shares."""
        return (beta(count, self.alpha, generator),)

    def __call__(
        self,
        labelled: Stream,
        partners: Stream,
        draws: tuple[Tensor, ...],
        class_counts: Sequence[int],  # noqa: ARG002  a mix's form
    ) -> tuple[Tensor, MixedTarget]:
        """The mixed batch."""
        return mixup(labelled.views[0], labelled.labels, partners.views[0], partners.labels, *draws)
