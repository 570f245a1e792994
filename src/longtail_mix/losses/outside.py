"""How much each pixel outside the lesion counts in CARE's attention loss."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_not_negative
from longtail_mix._module import Module
from longtail_mix.losses.care_attention import check_mask

__all__ = ["DistanceWeightedOutside", "distance_weighted_outside"]


def distance_weighted_outside(mask: Tensor, strength: float = 1.0) -> Tensor:
    """``(1 - mask) * (1 + strength * distance / side)``: attention costs more the farther it is from the lesion.

    The CARE paper allows any positive value that depends on the distance to the box (below Eq. 5) and takes 1 itself.
    Here it is the city-block distance in pixels to the nearest pixel of the mask, over the longer side of the image::

        ys, xs = (mask[0, 0] >= 0.5).nonzero().unbind(1)
        distance = min(abs(y - ys) + abs(x - xs))            # for each pixel (y, x)

    computed exactly by cumulative minima, without a loop over pixels.

    Args:
        mask: [B, 1, H, W], bool, or floating point in [0, 1], where 0.5 and more is inside.
        strength: by how much the weight grows over the length of the longer side, at least 0; 0 gives ``1 - mask``.

    Returns:
        Weights [B, 1, H, W], float32 at least, without gradient; without a mask, the same everywhere.

    Raises:
        TypeError, ValueError: as :func:`~longtail_mix.functional.care_attention_loss`.

    Example:
        >>> distance_weighted_outside(torch.tensor([[[[True, False, False, False]]]]), strength=4.0)
        tensor([[[[0., 2., 3., 4.]]]])
    """
    check_mask(mask, "mask")
    check_strength(strength)
    height, width = mask.shape[2:]
    mask = mask.detach().to(
        torch.promote_types(mask.dtype, torch.float32) if mask.is_floating_point() else torch.float32
    )
    distance = torch.where(mask >= 0.5, 0, torch.full_like(mask, height + width))
    for dim in (2, 3):
        distance = _reach(distance, dim)
    return (1 - mask) * (1 + strength * distance / max(height, width))


def check_strength(strength: float) -> None:
    """Raise unless the strength is a finite number of at least 0 that float32 holds with room to add."""
    check_not_negative(strength, "strength")


class DistanceWeightedOutside(Module):
    """Weights of the pixels outside, as a module: see :func:`~longtail_mix.functional.distance_weighted_outside`.

    Args:
        strength: by how much the weight grows over the length of the longer side, at least 0.

    Shape:
        mask [B, 1, H, W] -> [B, 1, H, W].

    Example:
        >>> from longtail_mix import CAREAttentionLoss
        >>> attention = CAREAttentionLoss(outside=DistanceWeightedOutside(strength=2.0))
        >>> attention(torch.rand(1, 1, 7, 7), torch.rand(1, 1, 32, 32)).shape
        torch.Size([])
    """

    def __init__(self, strength: float = 1.0) -> None:
        super().__init__()
        check_strength(strength)
        self.strength = strength

    def forward(self, mask: Tensor) -> Tensor:
        """Weights [B, 1, H, W] of masks [B, 1, H, W]."""
        return distance_weighted_outside(mask, self.strength)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"strength={self.strength}"


def _reach(cost: Tensor, dim: int) -> Tensor:
    """At each place the least, over all places of its line, of their cost plus the way from there."""
    steps = torch.arange(cost.shape[dim], dtype=cost.dtype, device=cost.device)
    steps = steps.unsqueeze(1) if dim == 2 else steps
    from_before = (cost - steps).cummin(dim).values + steps
    from_behind = (cost + steps).flip(dim).cummin(dim).values.flip(dim) - steps
    return torch.minimum(from_before, from_behind)
