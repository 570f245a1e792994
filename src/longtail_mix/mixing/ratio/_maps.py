"""What the ratio recipes share: noise on maps, and min-max per image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def uniform_like(maps: Tensor, generator: torch.Generator | None) -> Tensor:
    """A number in [0, 1) for each pixel, float32 at least."""
    draw = torch.empty_like(maps, dtype=torch.promote_types(maps.dtype, torch.float32))
    return draw.uniform_(generator=generator)  # unlike rand, compiles at any batch size


def add_noise(maps: Tensor, noise: float, draw: Tensor) -> Tensor:
    """Turn a `draw` in [0, 1) into noise of half width `noise` and add it; float32 at least, a new tensor.

    A map without any contrast gets none: stretched later, the noise alone would pass for saliency.
    """
    has_contrast = maps.amax((-2, -1), keepdim=True) > maps.amin((-2, -1), keepdim=True)
    dtype = torch.promote_types(maps.dtype, torch.float32)
    return maps.to(dtype) + noise * (2 * draw.to(dtype) - 1) * has_contrast


def min_max(maps: Tensor) -> Tensor:
    """Stretch each map to [0, 1]; a map whose values are all equal becomes 1. NaN stays."""
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    extent = high - low
    flat = extent == 0
    return torch.where(flat, 1, (maps - low) / torch.where(flat, 1, extent))


def ratio_with_draw(saliency: Tensor, draw: Tensor, patch_size: int, alpha: float, noise: float) -> Tensor:
    """The lesion-aware ratio once its random numbers are drawn: what the kernel has to equal."""
    cut = min_max(add_noise(saliency, noise, draw)).clamp(max=alpha)
    # The mean of many alphas may be rounded to just above alpha.
    return F.avg_pool2d(cut, patch_size).clamp(max=alpha).to(saliency.dtype)
