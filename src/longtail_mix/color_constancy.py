"""Shades of gray: take the colour of the light out of images, so that two microscopes see the same skin."""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor

from longtail_mix._checks import check_not_huge, check_number
from longtail_mix._images import as_unit
from longtail_mix._module import Module

__all__ = ["ShadesOfGray", "shades_of_gray"]


def shades_of_gray(images: Tensor, p: float = 6.0) -> Tensor:
    """Divide each channel by its share of the light, estimated as a p-norm mean: Finlayson and Trezzi 2004; Barata et
    al. 2014 brought it to dermoscopy with p = 6.

    The same in plain PyTorch::

        light = (images ** p).mean((2, 3), keepdim=True) ** (1 / p)      # [B, 3, 1, 1]
        light = light / light.norm(dim=1, keepdim=True)
        corrected = (images / (light * 3**0.5)).clamp(max=1)

    p = 1 is the grey-world assumption; large p comes near to white-patch. White light, (1, 1, 1) / sqrt(3), changes
    nothing. A channel that is black all over stays so, and is left out of the estimate.

    Args:
        images: RGB [B, 3, H, W], uint8, or floating point in [0, 1]; before any normalisation.
        p: the order of the mean, at least 1.

    Returns:
        Images of the same shape and dtype, floating-point ones in [0, 1].

    Raises:
        TypeError, ValueError: not images, `p` out of range, or (on the CPU, uncompiled) values far outside [0, 1].

    Example:
        >>> yellowish = torch.tensor([0.8, 0.8, 0.4]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
        >>> shades_of_gray(yellowish)[0, :, 0, 0]
        tensor([0.6928, 0.6928, 0.6928])
    """
    check_p(p)
    unit, _ = as_unit(images, None, None)
    # Divided by its maximum first: (1/255)^p would underflow for large p.
    highest = unit.amax((2, 3), keepdim=True)
    safe = torch.where(highest > 0, highest, 1.0)
    light: Tensor = highest * (unit / safe).pow(p).mean((2, 3), keepdim=True).pow(1 / p)
    present = (highest > 0).sum(1, keepdim=True).clamp(min=1)
    gain: Tensor = torch.linalg.vector_norm(light, dim=1, keepdim=True) / (
        torch.where(highest > 0, light, 1.0) * present.sqrt()
    )
    corrected = (unit * gain).clamp(max=1)
    if images.dtype == torch.uint8:
        return (corrected * 255).round().to(torch.uint8)
    return corrected.to(images.dtype)


def check_p(p: float) -> None:
    """Raise unless p is a finite number of at least 1."""
    check_number(p, "p")
    if not 1.0 <= p < inf:
        raise ValueError(f"p: expected a finite number of at least 1, got {p}")
    check_not_huge(p, "p")


class ShadesOfGray(Module):
    """Shades of gray as an input step: see :func:`shades_of_gray`.

    Args:
        p: the order of the mean, at least 1.

    Shape:
        [B, 3, H, W] -> [B, 3, H, W], uint8 or floating point in [0, 1].

    Example:
        >>> ShadesOfGray()(torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8)).dtype
        torch.uint8
    """

    def __init__(self, p: float = 6.0) -> None:
        super().__init__()
        check_p(p)
        self.p = p

    def forward(self, images: Tensor) -> Tensor:
        """The images under white light."""
        return shades_of_gray(images, self.p)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"p={self.p}"
