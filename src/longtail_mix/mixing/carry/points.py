"""Key points, carried along when their images are mixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from longtail_mix.mixing._moves import move
from longtail_mix.mixing.carry._rows import (
    as_dtype,
    check_moves,
    check_record,
    check_rows,
    check_rows_alike,
    check_size,
    padded,
    shares,
)
from longtail_mix.mixing.carry._tv import as_before, plain
from longtail_mix.mixing.record import MixRecord

__all__ = ["CarriedPoints", "carry_points"]


class CarriedPoints(NamedTuple):
    """The key points of a mixed image: those of its first image, then those of its second.

    Args:
        points: [n, ..., 2].
        visible: the share of its image in the pixel that each point lies in, [n, ...], float32 in [0, 1].

    Example:
        >>> CarriedPoints(torch.zeros(1, 2), torch.tensor([0.5])).visible
        tensor([0.5000])
    """

    points: Tensor
    visible: Tensor


def carry_points(
    record: MixRecord, points: Sequence[Tensor], others: Sequence[Tensor] | None = None, *, size: tuple[int, int]
) -> list[CarriedPoints]:
    """The key points of both images of each pair, where they are in the mixed image, and how far each is to see.

    None is left out, as models want a fixed number of them. For a point of the first image (for one of the second,
    ``1 - share``), in plain PyTorch::

        visible = share[floor(y), floor(x)] if 0 <= x < width and 0 <= y < height else 0

    A point that its mix moves goes along. On a GPU it waits for the device.

    Args:
        record: of ``mix.with_record(...)``.
        points: (x, y) in pixels, [n, 2] or, for n objects with K points, [n, K, 2], for each image; n may be 0; or
            ``tv_tensors.KeyPoints``.
        others: points of the second images, where they are a stream of their own. Default: those of
            ``record.partner``.
        size: height and width of the images.

    Returns:
        For each image its :class:`CarriedPoints`, of the dtype and kind of its points; whole numbers are rounded.

    Raises:
        TypeError, ValueError: points or a size that do not fit the record or each other, NaN or infinity; no `others`
            where the record names no partners; a record of a mix that moves images and does not say where to.

    Example:
        >>> record = MixRecord(torch.tensor([[[[True, True, True, False]]]]), torch.tensor([0.75]))
        >>> carry_points(record, [torch.tensor([[1.5, 0.5]])], [torch.tensor([[2.5, 0.5], [3.5, 1.5]])], size=(2, 4))[0]
        CarriedPoints(points=tensor([[1.5000, 0.5000],
                [2.5000, 0.5000],
                [3.5000, 1.5000]]), visible=tensor([1., 0., 1.]))
    """
    check_record(record)
    check_moves(record)
    if others is None and record.partner is None:
        raise ValueError("others: expected the points of the second images, as the record has no partner, got None")
    if not len(record.lam):
        return []
    first = _read(record, points, size, "points")
    if others is None:
        second = (first[0][record.partner], first[1][record.partner])
    else:
        second = _read(record, others, size, "others")
        check_rows_alike(points, others, "points", "others")
    found = []
    affines = (record.first_affine, record.second_affine)
    for (values, are_some), affine, share in zip((first, second), affines, shares(record, size), strict=True):
        places = values if affine is None else move(values, affine.to(torch.float64))
        found.append((places, _share_at(places, share), are_some))
    places, visible, are_some = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
    counts = are_some.sum(1).tolist()
    of_images = zip(places[are_some].split(counts), visible[are_some].split(counts), points, strict=True)
    return [CarriedPoints(as_before(as_dtype(p, like), like), v.to(torch.float32)) for p, v, like in of_images]


def _read(record: MixRecord, points: Sequence[Tensor], size: tuple[int, int], name: str) -> tuple[Tensor, Tensor]:
    check_rows(points, record, name, "points [n, ..., 2]")
    check_size(size, record, points, name)
    if points[0].ndim < 2 or points[0].shape[-1] != 2:
        raise ValueError(f"{name}: expected points [n, ..., 2] of each image, got shape {list(points[0].shape)}")
    return padded([plain(of_image).to(torch.float64) for of_image in points])


def _share_at(places: Tensor, share: Tensor) -> Tensor:
    """The share [B, H, W] at places [B, ..., 2] in pixels, 0 outside of the image."""
    height, width = share.shape[1:]
    x, y = places.floor().unbind(-1)
    is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    pixel = torch.where(is_inside, y * width + x, 0).long()
    at = share.flatten(1).gather(1, pixel.flatten(1)).view(pixel.shape)
    return torch.where(is_inside, at, 0)
