"""Drawing a partner for each image of a batch, without leaving the device."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_has_values


def draw_partners(weights: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Draw for each image another one, with probability proportional to its weight.

    A number below the sum of all other weights, found among the running sums: of those in front of the image if it is
    small enough, else of those behind it, counted from the end. Both are sums of the others alone, and no difference of
    sums: a weight 1e30 times the rest leaves the rest its probabilities. Time and memory grow with the number of
    images, but for a search, and not with its square. Nothing waits for the device.

    Args:
        weights: [B], float64, at least 0, with a finite sum.
        generator: on the same kind of device as `weights`.

    Returns:
        Partners [B], int64, each image's own index where it has none, and [B] bool: false where no other image has a
        positive weight.
    """
    nothing = torch.zeros_like(weights[:1])
    from_start, from_end = weights.cumsum(0), weights.flip(0).cumsum(0)
    in_front = torch.cat([nothing, from_start])[:-1]
    behind = torch.cat([nothing, from_end])[:-1].flip(0)
    has_partner = in_front + behind > 0
    draw = torch.empty_like(weights).uniform_(generator=generator) * (in_front + behind)
    # Rounded, a draw may reach the sum itself, beyond which there is nothing.
    beyond = torch.minimum(draw - in_front, torch.nextafter(behind, torch.zeros_like(behind))).clamp(min=0)
    rows = torch.arange(len(weights), device=weights.device)
    first = torch.searchsorted(from_start, draw, right=True)
    last = len(weights) - 1 - torch.searchsorted(from_end, beyond, right=True)
    return torch.where(has_partner, torch.where(draw < in_front, first, last), rows), has_partner


def as_pairs(partner: Tensor, mixed: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the images that are mixed [M] and of their partners [M]; M depends on the values."""
    check_has_values(mixed, "labels")
    index = mixed.nonzero().squeeze(1)
    return index, partner[index]
