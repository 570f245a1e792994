"""How much of the first image stays: a share for each image, from a symmetric Beta distribution."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_generator, check_labels_or_shares, check_positive

__all__ = ["draw_lam"]


def draw_lam(labels: Tensor, alpha: float, generator: torch.Generator | None = None) -> Tensor:
    """Draw ``lam ~ Beta(alpha, alpha)`` for each image.

    ``torch.distributions.Beta`` takes no generator. Here one uniform and one exponential draw make one Beta draw, and
    none is rejected: with T from Student's t distribution with ``2 alpha`` degrees of freedom,
    ``(1 + T / sqrt(2 alpha + T^2)) / 2`` is Beta(alpha, alpha), and Bailey (1994) gives
    ``T = sqrt(2 alpha (U^(-1/alpha) - 1)) cos(2 pi V)`` with U and V uniform.

    For one share for the whole batch, as in the papers of mixup and CutMix::

        lam = draw_lam(labels[:1], alpha).expand(len(labels))

    Args:
        labels: labels of the images [B], or [B, K] of several classes; only their number and device matter.
        alpha: above 0. At 1 every share is as likely, below 1 most lie near 0 or 1.
        generator: on the same kind of device as `labels`.

    Returns:
        [B], float32, in [0, 1].

    Raises:
        TypeError, ValueError: labels that are neither integers [B] nor shares [B, K]; `alpha` not above 0; a generator
            on another device.

    Example:
        >>> draw_lam(torch.tensor([3, 0, 1]), alpha=0.2).shape
        torch.Size([3])
    """
    check_labels_or_shares(labels)
    check_positive(alpha, "alpha")
    check_generator(generator, labels.device)
    # -log(U), with which U^(-1/alpha) - 1 keeps its digits; cut where float32 would overflow, so that inf * 0 is none.
    energy = torch.empty(labels.shape[:1], device=labels.device).exponential_(generator=generator)
    radius = torch.expm1((energy / alpha).clamp(max=80.0))
    direction = torch.cos(2 * torch.pi * torch.empty_like(energy).uniform_(generator=generator))
    squared = radius * direction.square()
    return (1 + direction.sign() * torch.sqrt(squared / (1 + squared))) / 2
