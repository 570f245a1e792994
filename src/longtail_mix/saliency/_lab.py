"""CIELAB, the colour space in which equal distances look about equally large."""

from __future__ import annotations

import torch
from torch import Tensor

# sRGB to XYZ, each row divided by the D65 white, so that white is (1, 1, 1).
_TO_XYZ = (
    (0.433953, 0.376219, 0.189828),
    (0.212671, 0.715160, 0.072169),
    (0.017758, 0.109477, 0.872765),
)


def lab_of_rgb(rgb: Tensor) -> Tensor:
    """From sRGB in [0, 1] to L* in [0, 100], a* and b*: [B,3,H,W], floating point."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    red, green, blue = linear.unbind(1)
    x, y, z = (_compress(r * red + g * green + b * blue) for r, g, b in _TO_XYZ)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def _compress(value: Tensor) -> Tensor:
    """Cube root, continued by its tangent near zero."""
    edge = (6 / 29) ** 3
    return torch.where(value > edge, value.clamp(min=edge) ** (1 / 3), value * (29 / 6) ** 2 / 3 + 4 / 29)
