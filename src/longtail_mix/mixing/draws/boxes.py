"""Boxes that CutMix and its kin paste: how large, where, and clipped at the border."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import (
    check_generator,
    check_integers,
    check_same_device,
    check_share,
    check_whole,
    values_are_readable,
)

__all__ = ["boxes_around", "random_boxes"]


def boxes_around(centres: Tensor, lam: Tensor, height: int, width: int, depth: int | None = None) -> Tensor:
    """A box around each centre that would leave the share `lam` of the image, clipped at the border.

    The sides are ``sqrt(1 - lam)`` of the image's, in half sides of whole pixels: CutMix (Yun et al. 2019), Eq. 2,
    rounded as torchvision does. Those of a volume's box are the cube root. A clipped box covers less than ``1 - lam``.

    Args:
        centres: pixels (x, y), [B, 2], integers; of volumes (x, y, z), [B, 3].
        lam: the share that should stay [B], floating point in [0, 1].
        height: of the images, in pixels.
        width: of the images, in pixels.
        depth: of volumes, in slices; None for images.

    Returns:
        Boxes (x1, y1, x2, y2) [B, 4], int64; x2 and y2 are the first pixels outside. Of volumes
        (x1, y1, z1, x2, y2, z2) [B, 6].

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or sizes that do not fit; centres outside the image (on the CPU,
            uncompiled).

    Example:
        >>> boxes_around(torch.tensor([[4, 4], [0, 7]]), torch.tensor([0.75, 0.75]), height=8, width=8)
        tensor([[2, 2, 6, 6],
                [0, 5, 2, 8]])
    """
    check_integers(centres, "centres")
    check_share(lam, "lam")
    size = _size(height, width, depth)
    if centres.ndim != 2 or centres.shape[1] != len(size):
        raise ValueError(f"centres: expected integers [B, {len(size)}], got {centres.dtype} {list(centres.shape)}")
    if lam.shape != centres.shape[:1]:
        raise ValueError(f"lam: expected one for each of {len(centres)} centres, got shape {list(lam.shape)}")
    check_same_device(centres, lam, "centres", "lam")
    if values_are_readable(centres) and len(centres):
        low, high = centres.amin(0).tolist(), centres.amax(0).tolist()
        if min(low) < 0 or any(place >= side for place, side in zip(high, size, strict=True)):
            raise ValueError(f"centres: expected pixels of an image of {height}x{width}, got {low} to {high}")
    half = 0.5 * (1 - lam) ** (1 / len(size))
    along = [(place, (half * side).long(), side) for place, side in zip(centres.long().unbind(1), size, strict=True)]
    low_corner = [(place - reach).clamp(min=0) for place, reach, _ in along]
    return torch.stack(low_corner + [(place + reach).clamp(max=side) for place, reach, side in along], 1)


def _size(height: int, width: int, depth: int | None) -> tuple[int, ...]:
    """The sides in the order of a place: x, y, and z of a volume."""
    check_whole(height, "height", 1)
    check_whole(width, "width", 1)
    if depth is None:
        return width, height
    check_whole(depth, "depth", 1)
    return width, height, depth


def random_boxes(
    lam: Tensor, height: int, width: int, generator: torch.Generator | None = None, depth: int | None = None
) -> Tensor:
    """A box for each image, its centre anywhere in the image: see :func:`boxes_around`.

    Args:
        lam: the share of each image that should stay [B], floating point in [0, 1].
        height: of the images, in pixels.
        width: of the images, in pixels.
        generator: on the same kind of device as `lam`.
        depth: of volumes, in slices; None for images.

    Returns:
        Boxes (x1, y1, x2, y2) [B, 4], int64; of volumes [B, 6].

    Raises:
        TypeError, ValueError: as :func:`boxes_around`; a generator on another device.

    Example:
        >>> random_boxes(torch.tensor([0.5, 1.0]), height=8, width=8).shape
        torch.Size([2, 4])
    """
    check_share(lam, "lam")
    if lam.ndim != 1:
        raise ValueError(f"lam: expected one for each image [B], got shape {list(lam.shape)}")
    size = _size(height, width, depth)
    check_generator(generator, lam.device)
    draw = torch.empty((*lam.shape, len(size)), device=lam.device).uniform_(generator=generator)
    centres = [(place * side).long() for place, side in zip(draw.unbind(-1), size, strict=True)]
    return boxes_around(torch.stack(centres, -1), lam, height, width, depth)
