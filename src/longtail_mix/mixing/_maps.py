"""What the ratio recipes share: noise on maps, and min-max per picture."""

from __future__ import annotations

import torch
from torch import Tensor


def add_noise(maps: Tensor, noise: float, generator: torch.Generator | None) -> Tensor:
    """Add uniform noise of half width `noise` to each pixel; float32 at least, a new tensor."""
    dtype = torch.promote_types(maps.dtype, torch.float32)
    draw = torch.rand(maps.shape, generator=generator, dtype=dtype, device=maps.device)
    return maps.to(dtype) + noise * (2 * draw - 1)


def min_max(maps: Tensor, where_flat: float) -> Tensor:
    """Stretch each map to [0, 1]; a map whose values are all equal becomes `where_flat`."""
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    extent = high - low
    return torch.where(extent > 0, (maps - low) / torch.where(extent > 0, extent, 1), where_flat)
