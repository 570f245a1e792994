"""Drawing a partner for each image of a batch, without leaving the device."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_has_values


def draw_partners(weights: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Draw for each row one column with probability proportional to its weight.

    An exponential race: the arrival time of column j is Exp(1) / weight_j, and the first to arrive wins. Unlike
    ``torch.multinomial`` it allows rows of zeros, which get themselves, and needs no host synchronisation.

    Args:
        weights: [B, B], floating point, at least 0.
        generator: on the same kind of device as `weights`.

    Returns:
        Columns [B], int64, and [B] bool: false for a row without any positive weight.
    """
    arrivals = torch.empty(weights.shape, device=weights.device).exponential_(generator=generator) / weights
    allowed = weights > 0
    has_partner = allowed.any(1)
    rows = torch.arange(len(weights), device=weights.device)
    if not len(weights):  # argmin of nothing is an error
        return rows, has_partner
    first = arrivals.masked_fill(~allowed, torch.inf).argmin(1)
    return torch.where(has_partner, first, rows), has_partner


def as_pairs(partner: Tensor, mixed: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the images that are mixed [M] and of their partners [M]; M depends on the values."""
    check_has_values(mixed, "labels")
    index = mixed.nonzero().squeeze(1)
    return index, partner[index]
