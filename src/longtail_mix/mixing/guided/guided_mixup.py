"""GuidedMixup: each pixel shared in proportion to the saliency of both images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from longtail_mix.mixing.guided._guide import GuidedMix
from longtail_mix.mixing.mix import Pairs
from longtail_mix.mixing.record import MixRecord
from longtail_mix.saliency import SpectralResidualSaliency

__all__ = ["GuidedMixup"]


class GuidedMixup(GuidedMix):
    """``mask = s1 / (s1 + s2)``, each map divided by its sum; the label as the pixels are: Kang and Kim 2023.

    The paper also pairs the images of a batch so that salient regions overlap little; here a pairing does not see the
    maps, and any may be used. Where neither image is salient both have half.

    Args:
        saliency: a module from images to maps. Default, as in the paper's faster variant:
            :class:`~longtail_mix.SpectralResidualSaliency` with `mean` and `std`.
        mean: per-channel mean the images were normalised with, for the default saliency.
        std: per-channel standard deviation, likewise.

    Shape:
        first [B, 3, H, W], first_labels [B], second [B, 3, H, W], second_labels [B], and maps [B, 1, h, w] of both, at
        least 0, if computed before -> images [B, 3, H, W], :class:`~longtail_mix.MixedTarget`, `lam` the mean of mask.

    Raises:
        TypeError, ValueError: images, labels or maps that do not fit each other.

    Example:
        >>> first, second = torch.ones(1, 3, 1, 2), torch.zeros(1, 3, 1, 2)
        >>> first_map, second_map = torch.tensor([[[[3.0, 1.0]]]]), torch.tensor([[[[1.0, 1.0]]]])
        >>> label = torch.tensor([0])
        >>> mixed, target = GuidedMixup()(first, label, second, label, first_map, second_map)
        >>> mixed[0, 0], target.lam
        (tensor([[0.6000, 0.3333]]), tensor([0.4667]))
    """

    detector = SpectralResidualSaliency

    def __init__(
        self,
        saliency: nn.Module | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(saliency, mean, std)

    def rule(
        self,
        pairs: Pairs,
        generator: torch.Generator | None = None,  # noqa: ARG002 - all mixes are called alike; nothing is drawn here
    ) -> MixRecord:
        """Each pixel's share of the saliency."""
        maps = (self.first_map(pairs), self.second_map(pairs))
        first, second = (m.to(torch.promote_types(m.dtype, torch.float32)) for m in maps)
        # s1 / sum1 over s1 / sum1 + s2 / sum2, without dividing by a sum of zero
        kept = first * second.sum((2, 3), keepdim=True)
        total = kept + second * first.sum((2, 3), keepdim=True)
        mask = torch.where(total == 0, 0.5, kept / torch.where(total == 0, 1, total)).clamp(0, 1)
        return MixRecord(mask, mask.mean((1, 2, 3)).to(torch.float32))
