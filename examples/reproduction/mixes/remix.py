"""Remix (Chou et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from longtail_mix.functional import remix
from reproduction.methods.sampling import Natural
from reproduction.mixes.mix import Counts, Draws, Mix, Mixed, beta
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

    def draw(self, count: int, size: int, generator: torch.Generator) -> Draws:  # noqa: ARG002  a mix's form
        """The shares."""
        return (beta(count, self.alpha, generator),)

    def __call__(self, labelled: Stream, partners: Stream, draws: Draws, class_counts: Counts) -> Mixed:
        """The mixed batch."""
        (lam,) = draws
        counts = torch.tensor(class_counts, device=labelled.labels.device)
        pair = labelled.views[0], labelled.labels, partners.views[0], partners.labels
        return remix(*pair, lam, counts, self.kappa, self.tau)
