"""Images as users hold them -> [0, 1], and -> 8 bits for the detectors that are defined on bytes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from longtail_mix._checks import check_images, check_normalisation, values_are_readable

# Interpolation overshoots [0, 1] a little; a normalised image, or one in [0, 255], exceeds it by far.
OVERSHOOT = 0.25


def check_normalised(
    images: Tensor, mean: Sequence[float] | None, std: Sequence[float] | None
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Raise unless the images and their normalisation fit; the normalisation as tuples. Reads no pixel."""
    check_images(images)
    mean, std = check_normalisation(mean, std)
    if images.dtype == torch.uint8 and mean is not None:
        raise ValueError("mean, std: expected None for uint8 images, which are not normalised, got numbers")
    return mean, std


def as_unit(images: Tensor, mean: Sequence[float] | None, std: Sequence[float] | None) -> tuple[Tensor, Tensor]:
    """Turn images into float32 in [0, 1], values a little outside clamped.

    Args:
        images: [B, 3, H, W], uint8, or floating point in [0, 1], or normalised with `mean` and `std`.
        mean: per-channel mean the images were normalised with, or None.
        std: per-channel standard deviation, or None.

    Returns:
        The images [B, 3, H, W], and [B, 1, 1] bool: false for an image with NaN or an infinity.

    Raises:
        TypeError, ValueError: see :func:`longtail_mix.saliency.saliency_map`.
    """
    mean, std = check_normalised(images, mean, std)
    all_finite = torch.ones((len(images), 1, 1), dtype=torch.bool, device=images.device)
    if images.dtype == torch.uint8:
        return images / 255, all_finite
    unit = images.to(torch.float32)
    if mean is not None and std is not None:
        # With plain numbers, a channel at a time: tensors made of them would have to be copied to the device first.
        undone = [channel * s + m for channel, m, s in zip(unit.unbind(1), mean, std, strict=True)]
        unit = torch.stack(undone, 1)
    if values_are_readable(unit):
        overshoots = _overshoots(unit, given=mean is not None)
        return unit.clamp(0, 1) if overshoots else unit, all_finite
    # x - x is NaN where x is NaN or infinite, so one sum tells without a host round trip.
    return unit.clamp(0, 1), ((unit - unit).sum((1, 2, 3)) == 0).view(-1, 1, 1)


def as_levels(images: Tensor, mean: Sequence[float] | None, std: Sequence[float] | None) -> tuple[Tensor, Tensor]:
    """Turn images into whole numbers from 0 to 255, round(255 x): uint8 as it is, the others in float32.

    Arguments, second result and errors as :func:`as_unit`.
    """
    if isinstance(images, Tensor) and images.dtype == torch.uint8 and mean is None and std is None:
        check_images(images)
        return images, torch.ones((len(images), 1, 1), dtype=torch.bool, device=images.device)
    unit, is_finite = as_unit(images, mean, std)
    return (unit * 255).round_(), is_finite


def write_levels(levels: Tensor, images: Tensor, mean: Sequence[float] | None, std: Sequence[float] | None) -> Tensor:
    """Images on the CPU, as :func:`as_levels` turns them, written into float32 `levels` [B, 3, H, W].

    Raises:
        ValueError: NaN, an infinity, or values far outside [0, 1].
    """
    if images.dtype == torch.uint8:
        return levels.copy_(images)
    if mean is None or std is None:
        unit = images.to(torch.float32)
    else:
        unit = levels.copy_(images)
        for channel, m, s in zip(unit.unbind(1), mean, std, strict=True):
            channel.mul_(s).add_(m)
    overshoots = _overshoots(unit, given=mean is not None)
    torch.mul(unit, 255, out=levels).round_()
    return levels.clamp_(0, 255) if overshoots else levels


def as_bytes(images: Tensor, mean: Sequence[float] | None, std: Sequence[float] | None) -> tuple[Tensor, Tensor]:
    """Turn images into uint8; otherwise as :func:`as_levels`."""
    levels, is_finite = as_levels(images, mean, std)
    return levels.to(torch.uint8), is_finite


def _overshoots(unit: Tensor, given: bool) -> bool:
    """Whether some value lies outside [0, 1]; raises where one does by far."""
    if not len(unit):
        return False
    lowest, highest = torch.aminmax(unit)
    if not (torch.isfinite(lowest) and torch.isfinite(highest)):
        raise ValueError("images: expected finite values, got NaN or infinity")
    if lowest < -OVERSHOOT or highest > 1 + OVERSHOOT:
        hint = "after undoing mean and std" if given else "(normalised images need their mean and std here)"
        raise ValueError(
            f"images: expected values in [0, 1] {hint}, got {lowest:.3g} to {highest:.3g}; "
            "where random erasing or jitter leaves the range, put ClampToRange before the detector"
        )
    return bool(lowest < 0 or highest > 1)
