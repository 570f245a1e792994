"""Grey images as OpenCV makes them, for the detectors that are defined on its grey."""

from __future__ import annotations

import torch
from torch import Tensor


def grey_of_bytes(image_bytes: Tensor) -> Tensor:
    """Luma in 15-bit fixed point, rounded: [B,3,H,W] uint8 -> [B,H,W] whole numbers in float32."""
    red, green, blue = image_bytes.to(torch.float32).unbind(1)
    return (red * 9798 + green * 19235 + blue * 3735 + 2**14).mul(2.0**-15).floor()
