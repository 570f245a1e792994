"""Mixup: two images laid over each other, the label shared in the same proportion."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_positive
from longtail_mix.mixing._pairs import check_lam, check_pairs, of_each
from longtail_mix.mixing.draws import draw_lam
from longtail_mix.mixing.mix import Mix, Pairs, blend_pairs
from longtail_mix.mixing.record import MixRecord
from longtail_mix.targets import MixedTarget

__all__ = ["MixUp", "mixup"]


def mixup(
    first: Tensor, first_labels: Tensor, second: Tensor, second_labels: Tensor, lam: Tensor
) -> tuple[Tensor, MixedTarget]:
    """``lam * first + (1 - lam) * second``, and the same for the labels: Zhang et al. 2018.

    Args:
        first: images [B, C, H, W] or volumes [B, C, D, H, W], uint8 (mixed in float32 and rounded) or floating point.
        first_labels: their classes [B], integers; or [B, K], as in :class:`~longtail_mix.MixedTarget`.
        second: their partners, same shape, dtype and device.
        second_labels: the partners' classes [B].
        lam: the share of each first image [B], floating point in [0, 1]; see :func:`draw_lam`.

    Returns:
        The mix, in shape and dtype of `first`, and ``MixedTarget(first_labels, second_labels, lam)``.

    Raises:
        TypeError, ValueError: images, labels or shares that do not fit each other or are out of range (values are
            read on the CPU outside ``torch.compile`` only).

    Example:
        >>> black, white = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
        >>> mixed, target = mixup(black, torch.tensor([0]), white, torch.tensor([2]), torch.tensor([0.75]))
        >>> mixed.unique(), target.soft(3)
        (tensor([0.2500]), tensor([[0.7500, 0.0000, 0.2500]]))
    """
    check_pairs(first, first_labels, second, second_labels, volumes=True)
    check_lam(lam, first)
    return blend_pairs(first, first_labels, second, second_labels, MixRecord(of_each(lam, first), lam))


class MixUp(Mix):
    """Mixup with a share of its own for each pair, as a module: see :func:`mixup`.

    Args:
        alpha: of the Beta distribution the shares come from, above 0.

    Shape:
        first [B, C, H, W], first_labels [B], second [B, C, H, W], second_labels [B] -> images [B, C, H, W],
        :class:`~longtail_mix.MixedTarget`. Or volumes [B, C, D, H, W].

    Example:
        >>> from longtail_mix import InBatch, RandomPairing
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> images, target = InBatch(MixUp(alpha=0.2), RandomPairing())(images, labels)
        >>> target.soft(3).shape
        torch.Size([4, 3])
    """

    takes_volumes = True

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        check_positive(alpha, "alpha")
        self.alpha = alpha

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """One share for all pixels of an image."""
        lam = draw_lam(pairs.first_labels, self.alpha, generator)
        return MixRecord(of_each(lam, pairs.first), lam)
