"""SmoothMix: a soft round spot of the second image in the first."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import (
    check_finite,
    check_floating,
    check_number,
    check_same_device,
    check_whole,
    values_are_readable,
)
from longtail_mix.mixing._moves import pixel_grid
from longtail_mix.mixing.mix import Mix, Pairs
from longtail_mix.mixing.record import MixRecord

__all__ = ["SmoothMix", "smooth_mask"]


def smooth_mask(centre: Tensor, spread: Tensor, height: int, width: int) -> Tensor:
    """``1 - exp(-d^2 / (2 spread^2))``, d the distance to the centre in pixels: Lee et al. 2020.

    Args:
        centre: (x, y) from 0 to 1 between the edges of the image, [B, 2], floating point.
        spread: standard deviation of the spot in pixels, above 0, [B].
        height: of the mask, in pixels.
        width: of the mask, in pixels.

    Returns:
        The share of the first image [B, 1, height, width], 0 in the middle of the spot.

    Raises:
        TypeError, ValueError: centres and spreads that do not fit each other or are not floating point.

    Example:
        >>> smooth_mask(torch.tensor([[0.5, 0.5]]), torch.tensor([1.0]), 3, 3)[0, 0]
        tensor([[0.6321, 0.3935, 0.6321],
                [0.3935, 0.0000, 0.3935],
                [0.6321, 0.3935, 0.6321]])
    """
    check_floating(centre, "centre")
    check_floating(spread, "spread")
    check_same_device(centre, spread, "centre", "spread")
    check_finite(centre, "centre")
    check_finite(spread, "spread")
    if values_are_readable(spread) and not (spread > 0).all():
        raise ValueError(f"spread: expected numbers above 0, got {spread.min():.3g}")
    check_whole(height, "height", 1)
    check_whole(width, "width", 1)
    if centre.shape != (*spread.shape, 2):
        raise ValueError(f"centre: expected {[*spread.shape, 2]}, one (x, y) a spread, got {list(centre.shape)}")
    size = torch.tensor([width, height], device=centre.device, dtype=centre.dtype)
    pixels = (pixel_grid(height, width, size) + 1) / 2 * size
    distance = (pixels - (centre * size)[:, None, None]).square().sum(-1)
    return -torch.expm1(-distance / (2 * spread.square()).view(-1, 1, 1)).unsqueeze(1)


class SmoothMix(Mix):
    """A soft spot of the second image in the first, its middle anywhere: see :func:`smooth_mask`.

    No edge says where one image ends. The label is shared as the pixels are, ``lam = mean(mask)``.

    Args:
        smallest: standard deviation of the spot, as a share of the shorter side, above 0; drawn evenly from it to
        largest: the largest one. Both defaults are those of OpenMixup.

    Shape:
        first [B, C, H, W], first_labels [B], second [B, C, H, W], second_labels [B] -> images [B, C, H, W],
        :class:`~longtail_mix.MixedTarget`.

    Raises:
        TypeError, ValueError: numbers that are not ``0 < smallest <= largest``.

    Example:
        >>> from longtail_mix import InBatch, RandomPairing
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> images, target = InBatch(SmoothMix(), RandomPairing())(images, labels)
        >>> target.soft(3).shape
        torch.Size([4, 3])
    """

    def __init__(self, smallest: float = 0.25, largest: float = 0.5) -> None:
        super().__init__()
        check_number(smallest, "smallest")
        check_number(largest, "largest")
        if not 0 < smallest <= largest < float("inf"):
            raise ValueError(f"smallest, largest: expected 0 < smallest <= largest, got {smallest} and {largest}")
        self.smallest, self.largest = smallest, largest

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """A spot anywhere in the image."""
        height, width = pairs.first.shape[-2:]
        draw = torch.empty((len(pairs.first), 3), device=pairs.first.device).uniform_(generator=generator)
        spread = (self.smallest + draw[:, 2] * (self.largest - self.smallest)) * min(height, width)
        mask = smooth_mask(draw[:, :2], spread, height, width)
        return MixRecord(mask, mask.mean((1, 2, 3)).clamp(0, 1))
