"""Filling in: what is not known of an image becomes a smooth continuation of what is known around it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix._checks import check_finite, check_floating, check_same_device

__all__ = ["fill_in"]


def fill_in(images: Tensor, known: Tensor) -> Tensor:
    """Continue images smoothly into what is not known of them: pull and push over a pyramid (Gortler et al. 1996).

    The image is halved again and again, each coarser pixel the mean of the known ones in it, until one pixel is left;
    then back: what is not known is interpolated from the coarser image::

        def fill_in(images, known):
            if min(images.shape[-2:]) == 1:
                return images * known
            weight = F.avg_pool2d(known, 2, ceil_mode=True)
            mean = F.avg_pool2d(images * known, 2, ceil_mode=True) / weight
            coarse = fill_in(mean, weight > 0)
            return known * images + (1 - known) * F.interpolate(coarse, images.shape[-2:], mode="bilinear")

    Args:
        images: [B, C, H, W], floating point, in any normalisation.
        known: how far each pixel is known, [B, 1, H, W] in [0, 1], floating point; a pixel known by half becomes half
            of itself and half of what surrounds it.

    Returns:
        Images in the shape and dtype of `images`; what is known stays as it is. One of which nothing is known is 0.

    Raises:
        TypeError, ValueError: images or shares that are not floating point, shapes or devices that do not fit.

    Example:
        >>> images, known = torch.full((1, 1, 4, 4), 0.5), torch.ones(1, 1, 4, 4)
        >>> images[..., 1:3, 1:3], known[..., 1:3, 1:3] = 9.0, 0.0
        >>> fill_in(images, known).unique()
        tensor([0.5000])
    """
    check_floating(images, "images")
    check_floating(known, "known")
    check_same_device(images, known, "images", "known")
    check_finite(images, "images")
    check_finite(known, "known")
    if images.ndim != 4 or known.shape != (len(images), 1, *images.shape[-2:]):
        raise ValueError(f"known: expected [B, 1, H, W] for images [B, C, H, W], got {list(known.shape)}")
    return _filled(images.to(torch.promote_types(images.dtype, torch.float32)), known).to(images.dtype)


def _filled(images: Tensor, known: Tensor) -> Tensor:
    known = known.to(images.dtype)
    if min(images.shape[-2:]) <= 1:
        return images * known
    weight = _sums_of_four(known)
    mean = _sums_of_four(images * known) / weight.clamp(min=1e-6)
    coarse = _filled(mean, (weight > 0).to(images.dtype))
    # Channels as images of their own: three together take a slower path on a CPU.
    alone = coarse.flatten(0, 1).unsqueeze(1)
    guess = F.interpolate(alone, images.shape[-2:], mode="bilinear", align_corners=False).view_as(images)
    return guess.lerp_(images, known)


def _sums_of_four(maps: Tensor) -> Tensor:
    """Of each square of 2 x 2 pixels, fewer at the ends of odd sides: several times as fast on a CPU as pooling."""
    height, width = maps.shape[-2:]
    if height % 2 or width % 2:
        maps = F.pad(maps, (0, width % 2, 0, height % 2))
    rows = maps[..., ::2, :] + maps[..., 1::2, :]
    return rows[..., ::2] + rows[..., 1::2]
