"""Boxes, carried along when their images are mixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from longtail_mix._checks import check_probability, values_are_readable
from longtail_mix.mixing._moves import move
from longtail_mix.mixing.carry._rows import (
    LEAST,
    as_dtype,
    check_moves,
    check_record,
    check_rows,
    check_rows_alike,
    check_size,
    padded,
    shares,
)
from longtail_mix.mixing.carry._tv import corners, in_form_of
from longtail_mix.mixing.record import MixRecord

__all__ = ["CarriedBoxes", "carry_boxes"]


class CarriedBoxes(NamedTuple):
    """The boxes of a mixed image: those of its first image, then those of its second; ``_asdict()`` makes a dictionary.

    Args:
        boxes: [n, 4].
        labels: [n, ...], a row for each box.
        visible: how much of the box is to see, [n], float32 in [0, 1].

    Example:
        >>> CarriedBoxes(torch.zeros(1, 4), torch.tensor([2]), torch.tensor([0.5]))._asdict().keys()
        dict_keys(['boxes', 'labels', 'visible'])
    """

    boxes: Tensor
    labels: Tensor
    visible: Tensor


def carry_boxes(
    record: MixRecord,
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor],
    others: Sequence[Tensor] | None = None,
    other_labels: Sequence[Tensor] | None = None,
    *,
    size: tuple[int, int],
    min_visible: float = 0.0,
    cut: bool = False,
) -> list[CarriedBoxes]:
    """The boxes of both images of each pair, where they are in the mixed image, and how much of each is to see.

    For a box of the first image (for one of the second, ``1 - share``), in plain PyTorch and whole pixels::

        visible = share[y1:y2, x1:x2].sum() / ((y2 - y1) * (x2 - x1))    # what lies outside of the image adds nothing

    A box that its mix moves goes along; where it is turned, it becomes the upright box around it. Fractions of pixels
    count as such. On a GPU it waits for the device, as how many boxes are kept follows from values.

    Args:
        record: of ``mix.with_record(...)``.
        boxes: (x1, y1, x2, y2) in pixels, [n, 4] for each image, n may be 0; or ``tv_tensors.BoundingBoxes``, upright
            and of any format.
        labels: a row for each box, [n] or [n, ...] for each image: classes, or row numbers to look up more.
        others: boxes of the second images, where they are a stream of their own. Default: those of
            ``record.partner``.
        other_labels: likewise.
        size: height and width of the images.
        min_visible: boxes of which less is to see are left out, in [0, 1]; those of which nothing is (less than one
            part in 10,000), or that have no area, always are.
        cut: whether boxes are cut down to the pixels that show any of their image. `visible` is of the whole box.

    Returns:
        For each image its :class:`CarriedBoxes`, of the dtype and kind of its boxes; whole numbers are rounded.

    Raises:
        TypeError, ValueError: boxes, labels or a size that do not fit the record or each other; boxes turned inside
            out, NaN or infinity; no `others` where the record names no partners; a record of a mix that moves images
            and does not say where to.

    Example:
        >>> record = MixRecord(torch.tensor([[[[True, True, True, False]]]]), torch.tensor([0.75]))
        >>> boxes, labels = [torch.tensor([[1.0, 0.0, 4.0, 2.0]])], [torch.tensor([5])]  # of the first image
        >>> others, other_labels = [torch.tensor([[3.0, 0.0, 4.0, 1.0], [0.0, 0.0, 2.0, 2.0]])], [torch.tensor([6, 7])]
        >>> carry_boxes(record, boxes, labels, others, other_labels, size=(2, 4), cut=True)[0]
        CarriedBoxes(boxes=tensor([[1., 0., 3., 2.],
                [3., 0., 4., 1.]]), labels=tensor([5, 6]), visible=tensor([0.6667, 1.0000]))
    """
    check_record(record)
    check_moves(record)
    check_probability(min_visible, "min_visible")
    if not isinstance(cut, bool):
        raise TypeError(f"cut: expected True or False, got {cut!r}")
    if (others is None) != (other_labels is None) or (others is None and record.partner is None):
        raise ValueError(
            "others, other_labels: expected both where the record has no partner, and both or neither where it has"
        )
    if not len(record.lam):
        return []
    first = _read(record, boxes, labels, size, "boxes", "labels")
    if others is None or other_labels is None:
        second = _Boxes(*(part[record.partner] for part in first))
    else:
        second = _read(record, others, other_labels, size, "others", "other_labels")
        check_rows_alike(labels, other_labels, "labels", "other_labels")
    first_share, second_share = shares(record, size)
    found = (
        _carried(first, record.first_affine, first_share, cut),
        _carried(second, record.second_affine, second_share, cut),
    )
    places, all_labels, visible, are_some = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
    kept = are_some & (visible > LEAST) & (visible >= min_visible - LEAST)
    counts = kept.sum(1).tolist()
    parts = (part[kept].split(counts) for part in (places, all_labels, visible.to(torch.float32)))
    return [
        CarriedBoxes(in_form_of(as_dtype(of_image, like), like), its_labels, its_visible)
        for of_image, its_labels, its_visible, like in zip(*parts, boxes, strict=True)
    ]


class _Boxes(NamedTuple):
    """Boxes of several images, as many rows for each, of which `are_some` [B, N] says which there are."""

    corners: Tensor  # [B, N, 4]
    labels: Tensor  # [B, N, ...]
    are_some: Tensor


def _read(
    record: MixRecord,
    boxes: Sequence[Tensor],
    labels: Sequence[Tensor],
    size: tuple[int, int],
    boxes_name: str,
    labels_name: str,
) -> _Boxes:
    check_rows(boxes, record, boxes_name, "boxes [n, 4]")
    check_rows(labels, record, labels_name, "a row for each box")
    check_size(size, record, boxes, boxes_name)
    check_rows_alike(labels[:1], labels, labels_name, labels_name)
    for of_image, its_labels in zip(boxes, labels, strict=True):
        if of_image.shape[1:] != (4,):
            raise ValueError(f"{boxes_name}: expected boxes [n, 4] of each image, got shape {list(of_image.shape)}")
        if len(its_labels) != len(of_image):
            raise ValueError(f"{labels_name}: expected a row for each of {len(of_image)} boxes, got {len(its_labels)}")
    values, are_some = padded([corners(of_image).to(torch.float64) for of_image in boxes])
    if values_are_readable(values) and not (values[..., :2] <= values[..., 2:]).all():
        raise ValueError(f"{boxes_name}: expected x1 <= x2 and y1 <= y2")
    return _Boxes(values, padded(labels)[0], are_some)


def _carried(boxes: _Boxes, affine: Tensor | None, share: Tensor, cut: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of one image of each pair: its boxes in the mix, their labels, what is to see of them, and which are some."""
    places = boxes.corners if affine is None else _upright(boxes.corners, affine.to(torch.float64))
    x1, y1, x2, y2 = places.unbind(-1)
    columns, rows = _overlap(x1, x2, share.shape[2]), _overlap(y1, y2, share.shape[1])
    area = (x2 - x1) * (y2 - y1)
    # Autocast leaves products of float64 alone.
    visible = ((rows @ share) * columns).sum(-1) / torch.where(area == 0, 1, area)
    places = _cut(columns, rows, share, places) if cut else places
    return places, boxes.labels, visible, boxes.are_some


def _upright(corners: Tensor, affine: Tensor) -> Tensor:
    """The upright boxes around moved ones."""
    x1, y1, x2, y2 = corners.unbind(-1)
    moved = move(torch.stack([x1, y1, x2, y1, x2, y2, x1, y2], -1).unflatten(-1, (4, 2)), affine)
    return torch.cat([moved.amin(-2), moved.amax(-2)], -1)


def _overlap(low: Tensor, high: Tensor, size: int) -> Tensor:
    """How much of each of `size` pixels lies between low and high, [..., size]."""
    pixel = torch.arange(size, device=low.device)
    return (torch.minimum(high.unsqueeze(-1), pixel + 1) - torch.maximum(low.unsqueeze(-1), pixel)).clamp(min=0)


def _cut(columns: Tensor, rows: Tensor, share: Tensor, places: Tensor) -> Tensor:
    """The boxes [B, N, 4] cut to the pixels with a share above 0; `columns` and `rows` say which lie in each."""
    shows = (share > 0).to(share.dtype)
    columns, rows = ((overlap > LEAST).to(share.dtype) for overlap in (columns, rows))
    left, right = _ends(columns * (rows @ shows))
    top, bottom = _ends(rows * (columns @ shows.mT))
    low, high = torch.stack([left, top], -1), torch.stack([right, bottom], -1)
    return torch.cat([torch.maximum(places[..., :2], low), torch.minimum(places[..., 2:], high)], -1)


def _ends(seen: Tensor) -> tuple[Tensor, Tensor]:
    """Of pixels [..., size] the first that has any, and the one after the last."""
    pixel = torch.arange(seen.shape[-1], device=seen.device)
    return torch.where(seen > 0, pixel, len(pixel)).amin(-1), torch.where(seen > 0, pixel + 1, 0).amax(-1)
