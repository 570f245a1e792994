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


def boxes_around(centres: Tensor, lam: Tensor, height: int, width: int) -> Tensor:
    """A box around each centre that would leave the share `lam` of the image, clipped at the border.

    The sides are ``sqrt(1 - lam)`` of the image's, in half sides of whole pixels: CutMix (Yun et al. 2019), Eq. 2,
    rounded as torchvision does. A clipped box covers less than ``1 - lam``.

    Args:
        centres: pixels (x, y), [B, 2], integers.
        lam: the share that should stay [B], floating point in [0, 1].
        height: of the images, in pixels.
        width: of the images, in pixels.

    Returns:
        Boxes (x1, y1, x2, y2) [B, 4], int64; x2 and y2 are the first pixels outside.

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
    if centres.ndim != 2 or centres.shape[1] != 2:
        raise ValueError(f"centres: expected integers [B, 2], got {centres.dtype} {list(centres.shape)}")
    if lam.shape != centres.shape[:1]:
        raise ValueError(f"lam: expected one for each of {len(centres)} centres, got shape {list(lam.shape)}")
    check_same_device(centres, lam, "centres", "lam")
    check_whole(height, "height", 1)
    check_whole(width, "width", 1)
    if values_are_readable(centres) and len(centres):
        (x1, y1), (x2, y2) = centres.amin(0).tolist(), centres.amax(0).tolist()
        if min(x1, y1) < 0 or x2 >= width or y2 >= height:
            raise ValueError(f"centres: expected pixels of an image of {height}x{width}, got {(x1, y1)} to {(x2, y2)}")
    half = 0.5 * torch.sqrt(1 - lam)
    half_width, half_height = (half * width).long(), (half * height).long()
    x, y = centres.long().unbind(1)
    corners = (
        (x - half_width).clamp(min=0),
        (y - half_height).clamp(min=0),
        (x + half_width).clamp(max=width),
        (y + half_height).clamp(max=height),
    )
    return torch.stack(corners, 1)


def random_boxes(lam: Tensor, height: int, width: int, generator: torch.Generator | None = None) -> Tensor:
    """A box for each image, its centre anywhere in the image: see :func:`boxes_around`.

    Args:
        lam: the share of each image that should stay [B], floating point in [0, 1].
        height: of the images, in pixels.
        width: of the images, in pixels.
        generator: on the same kind of device as `lam`.

    Returns:
        Boxes (x1, y1, x2, y2) [B, 4], int64.

    Raises:
        TypeError, ValueError: as :func:`boxes_around`; a generator on another device.

    Example:
        >>> random_boxes(torch.tensor([0.5, 1.0]), height=8, width=8).shape
        torch.Size([2, 4])
    """
    check_share(lam, "lam")
    if lam.ndim != 1:
        raise ValueError(f"lam: expected one for each image [B], got shape {list(lam.shape)}")
    check_whole(height, "height", 1)
    check_whole(width, "width", 1)
    check_generator(generator, lam.device)
    draw = torch.empty((*lam.shape, 2), device=lam.device).uniform_(generator=generator)
    x, y = (draw[..., 0] * width).long(), (draw[..., 1] * height).long()
    return boxes_around(torch.stack([x, y], -1), lam, height, width)
