"""Masks, carried along when their images are mixed."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import (
    LABEL_DTYPES,
    check_alike,
    check_finite,
    check_has_pixels,
    check_same_device,
    check_tensor,
)
from longtail_mix.mixing.carry._rows import check_pixels, check_record
from longtail_mix.mixing.carry._tv import as_before, plain
from longtail_mix.mixing.record import MixRecord

__all__ = ["carry_masks"]


def carry_masks(record: MixRecord, masks: Tensor, others: Tensor | None = None) -> Tensor:
    """Mix masks as their images were mixed: floating-point masks by the share of each image, others by who is visible.

    The same for one pixel that was not moved, in plain PyTorch::

        share * mask + (1 - share) * other                # floating point
        mask if share >= 0.5 else other                   # bool or integers: classes of pixels, instances

    Moved images take their masks along. Where a mix paints over the second image, as
    :class:`~longtail_mix.OtherSkin` does with its lesion, the second mask is 0.

    Args:
        record: of ``mix.with_record(...)``.
        masks: of the images, [B, K, H, W] or [B, H, W], a tensor or ``tv_tensors.Mask``.
        others: of the second images, where they are a stream of their own. Default: those of ``record.partner``.

    Returns:
        Masks of the mixed images, as `masks` are in shape, dtype and kind.

    Raises:
        TypeError, ValueError: masks that do not fit the record or each other, NaN or infinity; no `others` where the
            record names no partners.

    Example:
        >>> from longtail_mix import InBatch, MixUp, RandomPairing
        >>> images, labels, lesions = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2]), torch.rand(4, 1, 8, 8) > 0.5
        >>> mixed, target, record = InBatch(MixUp(), RandomPairing()).with_record(images, labels)
        >>> carry_masks(record, lesions).dtype, carry_masks(record, lesions.float()).shape
        (torch.bool, torch.Size([4, 1, 8, 8]))
    """
    check_record(record)
    first = _check_masks(masks, record, "masks")
    if others is None:
        if record.partner is None:
            raise ValueError("others: expected the masks of the second images, as the record has no partner, got None")
        second = first[record.partner]
    else:
        second = _check_masks(others, record, "others")
        check_alike(first, second, "masks", "others")
    soft = masks.is_floating_point()
    if record.painted is not None:
        second = second * (1 - record.painted).to(second.dtype) if soft else second * (record.painted < 0.5)
    mixed = record.blend(first, second) if soft else record.carry(first, second)
    return as_before(mixed.reshape(masks.shape), masks)


def _check_masks(masks: Tensor, record: MixRecord, name: str) -> Tensor:
    """Masks [B, K, H, W] or [B, H, W] of the images of a record, as plain [B, K, H, W]."""
    check_tensor(masks, name)
    if not masks.is_floating_point() and masks.dtype not in (*LABEL_DTYPES, torch.bool):
        raise TypeError(f"{name}: expected floating point, bool or integers up to int64, got {masks.dtype}")
    if masks.ndim not in (3, 4) or len(masks) != len(record.lam):
        raise ValueError(
            f"{name}: expected [B, K, H, W] or [B, H, W] of {len(record.lam)} images, got shape {list(masks.shape)}"
        )
    check_has_pixels(masks, name)
    check_pixels(masks.shape[-2], masks.shape[-1], record, name)
    check_same_device(record.lam, masks, "record", name)
    values = plain(masks)
    if values.is_floating_point():
        check_finite(values, name)
    return values if masks.ndim == 4 else values.unsqueeze(1)
