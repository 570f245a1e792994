"""Pictures as users hold them -> 8-bit pictures, which detectors defined on bytes need."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from longtail_mix._checks import check_images, check_normalisation, values_are_readable

# Interpolation overshoots [0, 1] a little; a normalised picture, or one in [0, 255], exceeds it by far.
OVERSHOOT = 0.25


def as_bytes(images: Tensor, mean: Sequence[float] | None, std: Sequence[float] | None) -> tuple[Tensor, Tensor]:
    """Turn pictures into uint8 as round(255 x).

    Args:
        images: [B, 3, H, W], uint8, or floating point in [0, 1], or normalised with `mean` and `std`.
        mean: per-channel mean the pictures were normalised with, or None.
        std: per-channel standard deviation, or None.

    Returns:
        The pictures [B, 3, H, W] in uint8, and [B, 1, 1] bool: false for a picture with NaN or an infinity.

    Raises:
        TypeError, ValueError: see :func:`longtail_mix.saliency.saliency_map`.
    """
    check_images(images)
    mean, std = check_normalisation(mean, std)
    if images.dtype == torch.uint8:
        if mean is not None:
            raise ValueError("mean, std: expected None for uint8 pictures, which are not normalised, got numbers")
        return images, images.new_ones((len(images), 1, 1), dtype=torch.bool)
    pictures = images.to(torch.float32)
    if mean is not None and std is not None:
        # With plain numbers, a channel at a time: tensors made of them would have to be copied to the device first.
        undone = [channel * s + m for channel, m, s in zip(pictures.unbind(1), mean, std, strict=True)]
        pictures = torch.stack(undone, 1)
    if values_are_readable(pictures):
        _check_range(pictures, given=mean is not None)
        is_finite = pictures.new_ones((len(pictures), 1, 1), dtype=torch.bool)
    else:
        # x - x is NaN where x is NaN or infinite, so one sum tells without a host round trip.
        is_finite = ((pictures - pictures).sum((1, 2, 3)) == 0).view(-1, 1, 1)
    return (pictures * 255).round_().clamp_(0, 255).to(torch.uint8), is_finite


def _check_range(pictures: Tensor, given: bool) -> None:
    if not len(pictures):
        return
    lowest, highest = torch.aminmax(pictures)
    if not (torch.isfinite(lowest) and torch.isfinite(highest)):
        raise ValueError("images: expected finite values, got NaN or infinity")
    if lowest < -OVERSHOOT or highest > 1 + OVERSHOOT:
        hint = "after undoing mean and std" if given else "(normalised pictures need their mean and std here)"
        raise ValueError(f"images: expected values in [0, 1] {hint}, got {lowest:.3g} to {highest:.3g}")
