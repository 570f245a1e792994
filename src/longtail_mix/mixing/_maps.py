"""What the ratio recipes share: noise on maps, and min-max per picture."""

from __future__ import annotations

import torch
from torch import Tensor


def add_noise(maps: Tensor, noise: float, generator: torch.Generator | None) -> Tensor:
    """Add uniform noise of half width `noise` to each pixel; float32 at least, a new tensor.

    A map without any contrast gets none: stretched later, the noise alone would pass for saliency.
    """
    dtype = torch.promote_types(maps.dtype, torch.float32)
    draw = torch.empty_like(maps, dtype=dtype).uniform_(generator=generator)  # unlike rand, compiles at any batch size
    has_contrast = maps.amax((-2, -1), keepdim=True) > maps.amin((-2, -1), keepdim=True)
    return maps.to(dtype) + noise * (2 * draw - 1) * has_contrast


def min_max(maps: Tensor) -> Tensor:
    """Stretch each map to [0, 1]; a map whose values are all equal becomes 1. NaN stays."""
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    extent = high - low
    flat = extent == 0
    return torch.where(flat, 1, (maps - low) / torch.where(flat, 1, extent))
