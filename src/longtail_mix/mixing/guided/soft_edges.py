"""A mask with soft edges: all of the object stays, and its surroundings fade."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix._checks import check_has_pixels, check_probability, check_tensor

__all__ = ["soft_edges"]


def soft_edges(mask: Tensor, edge: float = 0.05) -> Tensor:
    """1 on the mask, falling to 0 over a margin around it.

    The mask is grown by a square of `k` pixels to each side, then averaged over the same square, so that no pixel of
    the mask itself falls below 1. The same in plain PyTorch, for ``k = round(edge * min(H, W) / 2)``::

        grown = F.max_pool2d(mask.float(), 2 * k + 1, 1, k)
        share = F.avg_pool2d(grown, 2 * k + 1, 1, k, count_include_pad=False)

    Args:
        mask: [B, 1, H, W], bool.
        edge: width of the margin, as a share of the shorter side of the image, in [0, 1]; 0 leaves hard edges.

    Returns:
        [B, 1, H, W], float32 in [0, 1].

    Raises:
        TypeError, ValueError: a mask that is not bool [B, 1, H, W], an edge out of range.

    Example:
        >>> mask = torch.zeros(1, 1, 1, 7, dtype=torch.bool)
        >>> mask[..., 3] = True
        >>> soft_edges(mask.expand(1, 1, 7, 7), edge=0.3)[0, 0, 0]
        tensor([0.0000, 0.3333, 0.6667, 1.0000, 0.6667, 0.3333, 0.0000])
    """
    check_mask(mask, "mask")
    check_probability(edge, "edge")
    share = mask.to(torch.float32)
    k = round(edge * min(mask.shape[-2:]) / 2)
    if not k or not len(mask):
        return share
    for size, pad in (((1, 2 * k + 1), (0, k)), ((2 * k + 1, 1), (k, 0))):
        share = F.max_pool2d(share, size, 1, pad)
    for size, pad in (((1, 2 * k + 1), (0, k)), ((2 * k + 1, 1), (k, 0))):
        share = F.avg_pool2d(share, size, 1, pad, count_include_pad=False)
    return share.clamp(0, 1)


def check_mask(mask: Tensor, name: str) -> None:
    """Masks [B, 1, H, W], bool, at least one pixel each."""
    check_tensor(mask, name)
    if mask.dtype != torch.bool:
        raise TypeError(f"{name}: expected bool, got {mask.dtype}")
    if mask.ndim != 4 or mask.shape[1] != 1:
        raise ValueError(f"{name}: expected masks [B, 1, H, W], got shape {list(mask.shape)}")
    check_has_pixels(mask, name)
