"""Grey images as OpenCV makes them, for the detectors that are defined on its grey."""

from __future__ import annotations

import torch
from torch import Tensor


def grey_of_levels(levels: Tensor) -> Tensor:
    """Luma in 15-bit fixed point, rounded: whole numbers 0 to 255 [B,3,H,W] -> the same in float32 [B,H,W]."""
    red, green, blue = levels.to(torch.float32).unbind(1)
    # Whole numbers below 2^24: exact in any order.
    return (red * 9798).add_(green, alpha=19235).add_(blue, alpha=3735).add_(2**14).mul_(2.0**-15).floor_()
