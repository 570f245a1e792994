"""Balanced-MixUp: images as they come, with a little of images of balanced classes."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_generator, check_labels_or_shares, check_positive
from longtail_mix.mixing._pairs import of_each
from longtail_mix.mixing.mix import Mix, Pairs
from longtail_mix.mixing.record import MixRecord

__all__ = ["BalancedMixUp", "draw_small_share"]


def draw_small_share(labels: Tensor, alpha: float, generator: torch.Generator | None = None) -> Tensor:
    """Draw from Beta(alpha, 1) for each image: ``U ** (1 / alpha)``, U uniform. Below ``alpha = 1`` most are near 0.

    Args:
        labels: labels of the images [B], or [B, K] of several classes; only their number and device matter.
        alpha: above 0; the mean is ``alpha / (alpha + 1)``.
        generator: on the same kind of device as `labels`.

    Returns:
        [B], float32, in [0, 1].

    Raises:
        TypeError, ValueError: labels that are neither integers [B] nor shares [B, K]; `alpha` not above 0; a generator
            on another device.

    Example:
        >>> draw_small_share(torch.tensor([3, 0, 1]), alpha=0.2).shape
        torch.Size([3])
    """
    check_labels_or_shares(labels)
    check_positive(alpha, "alpha")
    check_generator(generator, labels.device)
    return torch.empty(labels.shape[:1], device=labels.device).uniform_(generator=generator) ** (1 / alpha)


class BalancedMixUp(Mix):
    """Mixup of two streams whose share is skewed: Galdran et al. 2021.

    The first stream has the images as they come, the second draws its classes evenly, and of the second comes
    ``Beta(alpha, 1)``: mostly little. So each step sees rare classes without seeing the same few images whole again and
    again. On two streams ``BalancedMixUp()(uniform, labels, balanced, balanced_labels)``; in one batch
    ``InBatch(BalancedMixUp(), BalancedPairing())``. The whole of it::

        lam = 1 - draw_small_share(labels, alpha)
        mixed, target = mixup(first, first_labels, second, second_labels, lam)

    Args:
        alpha: above 0; 0.1 to 0.3 in the paper.

    Shape:
        first [B, C, H, W], first_labels [B], second [B, C, H, W], second_labels [B] -> images [B, C, H, W],
        :class:`~longtail_mix.MixedTarget`. Or volumes [B, C, D, H, W].

    Example:
        >>> from longtail_mix import BalancedPairing, InBatch
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> images, target = InBatch(BalancedMixUp(), BalancedPairing())(images, labels)
        >>> target.soft(3).shape
        torch.Size([4, 3])
    """

    takes_volumes = True

    def __init__(self, alpha: float = 0.2) -> None:
        super().__init__()
        check_positive(alpha, "alpha")
        self.alpha = alpha

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """One share for all pixels of an image, mostly near 1."""
        lam = 1 - draw_small_share(pairs.first_labels, self.alpha, generator)
        return MixRecord(of_each(lam, pairs.first), lam)
