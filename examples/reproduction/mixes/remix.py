"""Remix (Chou et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from longtail_mix import MixedTarget
from longtail_mix.functional import remix
from reproduction.methods.sampling import Natural
from reproduction.mixes.mix import Mix, beta
from reproduction.training.batch import Stream


@dataclass(frozen=True)
class Remix(Mix):
    """Mixup whose label goes to the rarer class where one is much rarer.

    Args:
        alpha: of Beta(alpha, alpha), which the share of the labelled image comes from.
        kappa: how many times more frequent a class has to be to lose its label.
        tau: the share below which it does.
        partners: who the others are.
    """

    alpha: float = 1.0
    kappa: float = 3.0
    tau: float = 0.5
    partners: Natural = field(default_factory=Natural)

    def draw(self, count: int, size: int, generator: torch.Generator) -> tuple[Tensor, ...]:  # noqa: ARG002  a mix's form
        """The shares."""
        return (beta(count, self.alpha, generator),)

    def __call__(
        self, labelled: Stream, partners: Stream, draws: tuple[Tensor, ...], class_counts: Sequence[int]
    ) -> tuple[Tensor, MixedTarget]:
        """The mixed batch."""
        (lam,) = draws
        counts = torch.tensor(class_counts, device=labelled.labels.device)
        pair = labelled.views[0], labelled.labels, partners.views[0], partners.labels
        return remix(*pair, lam, counts, self.kappa, self.tau)
