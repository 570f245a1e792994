"""Rows of which each image has a number of its own, as one tensor; and how much of a pixel each image has."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from longtail_mix._checks import (
    LABEL_DTYPES,
    check_finite,
    check_has_values,
    check_same_device,
    check_tensor,
    check_whole,
)
from longtail_mix.mixing._moves import moved
from longtail_mix.mixing.carry._tv import canvas_size, plain
from longtail_mix.mixing.record import MixRecord

LEAST = 1e-4
"""Less of a pixel or of a box counts as nothing: places are float32, and so err by about as much."""


def padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows [n, ...] of each image as [B, N, ...], and which of them are some [B, N]; there is at least one image."""
    values = pad_sequence(list(rows), batch_first=True)
    lengths = torch.tensor([len(of_image) for of_image in rows], device=values.device)
    return values, torch.arange(values.shape[1], device=values.device) < lengths.unsqueeze(1)


def as_dtype(values: Tensor, like: Tensor) -> Tensor:
    """Values in the dtype of others; rounded to whole numbers where those are."""
    return (values if like.is_floating_point() else values.round()).to(like.dtype)


def check_record(record: MixRecord) -> None:
    """A record, and not what comes before it in what ``with_record`` returns."""
    if not isinstance(record, MixRecord):
        raise TypeError(f"record: expected a MixRecord, as with_record returns it, got {type(record).__name__}")
    if record.mask.ndim != 4:
        raise ValueError(
            f"record: expected one of images, got a mask {list(record.mask.shape)}; record.carry mixes masks of volumes"
        )


def check_rows(rows: Sequence[Tensor], record: MixRecord, name: str, what: str) -> None:
    """Rows [n, ...] of each image, alike in what they hold, on the device of the record."""
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise TypeError(f"{name}: expected a sequence with {what} of each image, got {type(rows).__name__}")
    if len(rows) != len(record.lam):
        raise ValueError(f"{name}: expected those of {len(record.lam)} images, got {len(rows)}")
    for of_image in rows:
        check_tensor(of_image, name)
        check_has_values(of_image, name)
        if not of_image.is_floating_point() and of_image.dtype not in (*LABEL_DTYPES, torch.bool):
            raise TypeError(f"{name}: expected floating point, bool or integers up to int64, got {of_image.dtype}")
        if of_image.ndim < 1 or of_image.shape[1:] != rows[0].shape[1:]:
            raise ValueError(f"{name}: expected {what} of each image, got shape {list(of_image.shape)}")
        check_same_device(record.lam, of_image, "record", name)
        if of_image.is_floating_point():
            check_finite(plain(of_image), name)


def check_rows_alike(rows: Sequence[Tensor], others: Sequence[Tensor], name: str, others_name: str) -> None:
    """Rows of one shape and dtype, those of the first image."""
    dtype, shape = rows[0].dtype, list(rows[0].shape[1:])
    for of_image in others:
        if (of_image.dtype, list(of_image.shape[1:])) != (dtype, shape):
            raise ValueError(
                f"{others_name}: expected {dtype} rows {shape} like the first of {name}, "
                f"got {of_image.dtype} rows {list(of_image.shape[1:])}"
            )


def check_size(size: tuple[int, int], record: MixRecord, rows: Sequence[Tensor], name: str) -> None:
    """The height and width of the images that were mixed."""
    if not isinstance(size, Sequence) or isinstance(size, str | bytes) or len(size) != 2:
        raise TypeError(f"size: expected the height and width of the images, got {size!r:.80}")
    for length in size:
        check_whole(length, "size", 1, 2**20)
    height, width = size
    check_pixels(height, width, record, "size")
    for of_image in rows:
        canvas = canvas_size(of_image)
        if canvas is not None and tuple(canvas) != (height, width):
            raise ValueError(f"size: expected {tuple(canvas)}, the canvas of {name}, got {height}x{width}")


def check_pixels(height: int, width: int, record: MixRecord, name: str) -> None:
    """A height and a width that a record may be of: multiples of its mask's, and those of its grids."""
    mask = record.mask.shape[-2:]
    grids = [grid.shape[1:3] for grid in (record.first_grid, record.second_grid) if grid is not None]
    if record.painted is not None:
        grids.append(record.painted.shape[-2:])
    if height % mask[0] or width % mask[1] or any(grid != (height, width) for grid in grids):
        expected = "x".join(map(str, grids[0])) if grids else f"a multiple of {mask[0]}x{mask[1]}"
        raise ValueError(f"{name}: expected the size of the record's images, {expected}, got {height}x{width}")


def check_moves(record: MixRecord) -> None:
    """A record that says where places go to."""
    for which in ("first", "second"):
        if getattr(record, f"{which}_grid") is not None and getattr(record, f"{which}_affine") is None:
            raise ValueError(f"record: expected {which}_affine beside {which}_grid, got None")


def shares(record: MixRecord, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """How much of each pixel is of the first and of the second image, [B, H, W] each, float64."""
    first = record.share(*size).to(torch.float64)
    second = 1 - first
    if record.painted is not None:
        second = second * (1 - moved(record.painted, record.second_grid))
    return first.squeeze(1), second.squeeze(1)
