"""LSM: the blocks of a tail image that a classifier looks at, on a head image; the label shared by saliency."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix._checks import (
    check_alike,
    check_callable,
    check_divisible,
    check_map,
    check_same_device,
    check_share,
    check_whole,
    values_are_readable,
)
from longtail_mix.mixing._pairs import check_pairs
from longtail_mix.mixing.mix import Mix, Pairs, blend_pairs
from longtail_mix.mixing.patch.blocks import to_blocks
from longtail_mix.mixing.ratio._maps import min_max
from longtail_mix.mixing.record import MixRecord
from longtail_mix.targets import MixedTarget

__all__ = ["LSM", "LabelWeight", "area_weight", "block_mask", "lsm", "semantic_weight"]


class LabelWeight(Protocol):
    """What LSM asks of a label's weight: from mask [B,1,h,w] and maps [B,1,H,W] to a share in [0, 1], [B]."""

    def __call__(self, mask: Tensor, tail_map: Tensor, head_map: Tensor | None = None) -> Tensor:
        """The tail label's weight [B]."""
        ...


def semantic_weight(mask: Tensor, tail_map: Tensor, head_map: Tensor | None = None) -> Tensor:
    """The tail's share of all saliency in the mix: ``sum(M S_t) / (sum(M S_t) + sum((1 - M) S_h))``.

    Without a map of the head there is nothing to compare with, and it is :func:`area_weight`; likewise for a pair whose
    mix has no saliency at all.

    Args:
        mask: the share of the tail in each block M [B, 1, h, w], floating point in [0, 1].
        tail_map: saliency of the tails S_t [B, 1, H, W], at least 0; h divides H, w divides W.
        head_map: saliency of the heads S_h, the same shape, or None.

    Returns:
        [B] in [0, 1], in the dtype of `mask`.

    Raises:
        TypeError, ValueError: shapes, dtypes or devices that do not fit each other.

    Example:
        >>> mask = torch.tensor([[[[1.0, 0.0]]]])
        >>> tail_map, head_map = torch.tensor([[[[0.6, 0.2]]]]), torch.tensor([[[[0.9, 0.2]]]])
        >>> semantic_weight(mask, tail_map, head_map)  # 0.6 of the tail is kept, 0.2 of the head
        tensor([0.7500])
    """
    if head_map is None:
        return area_weight(mask, tail_map)
    check_map(mask, "mask")
    check_share(mask, "mask")
    check_map(tail_map, "tail_map")
    check_map(head_map, "head_map")
    check_alike(tail_map, head_map, "tail_map", "head_map")
    check_same_device(mask, tail_map, "mask", "tail_map")
    for values, name in ((tail_map, "tail_map"), (head_map, "head_map")):
        if values_are_readable(values) and (values < 0).any():
            raise ValueError(f"{name}: expected values of at least 0, got {values.min():.3g}")
    height, width = tail_map.shape[-2:]
    rows, columns = mask.shape[-2:]
    if len(mask) != len(tail_map) or height % rows or width % columns:
        raise ValueError(f"mask: expected a grid that divides {list(tail_map.shape)}, got {list(mask.shape)}")
    tail_blocks, head_blocks = (F.avg_pool2d(m, (height // rows, width // columns)) for m in (tail_map, head_map))
    kept = (mask * tail_blocks).sum((1, 2, 3))
    total = kept + ((1 - mask) * head_blocks).sum((1, 2, 3))
    is_none = total == 0
    return torch.where(is_none, area_weight(mask, tail_map), kept / torch.where(is_none, 1, total)).to(mask.dtype)


def area_weight(
    mask: Tensor,
    tail_map: Tensor,  # noqa: ARG001 - every label weight is called alike
    head_map: Tensor | None = None,  # noqa: ARG001 - likewise
) -> Tensor:
    """The tail's share of the area, ``mean(M)``: the weight that CutMix gives.

    Args:
        mask: the share of the tail in each block [B, 1, h, w], floating point in [0, 1].
        tail_map: not read; every label weight is called alike.
        head_map: not read.

    Returns:
        [B] in [0, 1].

    Raises:
        TypeError, ValueError: a mask of another shape or dtype.

    Example:
        >>> area_weight(torch.tensor([[[[1.0, 0.5]]]]), torch.ones(1, 1, 2, 4))
        tensor([0.7500])
    """
    check_map(mask, "mask")
    check_share(mask, "mask")
    return mask.mean((1, 2, 3)).clamp(max=1)  # the mean of many ones may be rounded to just above 1


def block_mask(cam: Tensor, height: int, width: int, block_size: int) -> tuple[Tensor, Tensor]:
    """From a class activation map to a mask of blocks: min-max, to the image's grid, mean of each block.

    The same in plain PyTorch::

        low, high = cam.amin((-2, -1), keepdim=True), cam.amax((-2, -1), keepdim=True)
        full = F.interpolate((cam - low) / (high - low), (H, W), mode="bilinear")
        mask = F.avg_pool2d(full, block_size)

    A map without contrast cannot say where the object is: it becomes 1 everywhere, and all of the tail is kept.

    Args:
        cam: [B, 1, h, w], floating point, at most as large as the image.
        height: of the image, a multiple of `block_size`.
        width: of the image, likewise.
        block_size: side of a block in pixels.

    Returns:
        The mask [B, 1, H / block_size, W / block_size] and the map on the image's grid [B, 1, H, W], both in [0, 1],
        float32 at least.

    Raises:
        TypeError, ValueError: a map of another shape or dtype, or larger than the image; sizes that the block does
            not divide; NaN or infinity (on the CPU, uncompiled).

    Example:
        >>> mask, full = block_mask(torch.tensor([[[[0.0, 2.0]]]]), height=2, width=4, block_size=2)
        >>> mask
        tensor([[[[0.1250, 0.8750]]]])
    """
    check_map(cam, "cam")
    check_whole(height, "height", 1)
    check_whole(width, "width", 1)
    check_whole(block_size, "block_size", 1)
    if height % block_size or width % block_size:
        raise ValueError(f"height, width: expected both divisible by the patch size {block_size}, got {height}x{width}")
    if cam.shape[-2] > height or cam.shape[-1] > width:
        raise ValueError(
            f"cam: expected a map of at most {height}x{width} like the image, got {cam.shape[-2]}x{cam.shape[-1]}"
        )
    stretched = min_max(cam.to(torch.promote_types(cam.dtype, torch.float32)))
    # Interpolated values and means of many ones may be rounded to just above 1.
    full = F.interpolate(stretched, (height, width), mode="bilinear", align_corners=False).clamp(0, 1)
    blocks = to_blocks(full, block_size).mean((2, 3, 4)).clamp(0, 1)
    return blocks.view(len(cam), 1, height // block_size, width // block_size), full


def lsm(
    tail: Tensor,
    tail_labels: Tensor,
    head: Tensor,
    head_labels: Tensor,
    tail_cam: Tensor,
    head_cam: Tensor | None = None,
    block_size: int = 4,
    label_weight: LabelWeight = semantic_weight,
) -> tuple[Tensor, MixedTarget]:
    """Local semantic mixing (Lv et al. 2025), as read from its headings: see docs/lsm.md for what is our reading.

    The whole of it::

        mask, tail_map = block_mask(tail_cam, H, W, block_size)
        mixed = patch_mixup(tail, head, mask)           # mask * tail + (1 - mask) * head
        lam = semantic_weight(mask, tail_map, head_map)  # head_map: head_cam, likewise min-max and on the grid

    Args:
        tail: images, mostly of rare classes, [B, C, H, W], uint8 or floating point; `block_size` divides H and W.
        tail_labels: their classes [B], integers.
        head: their partners, same shape, dtype and device.
        head_labels: the partners' classes [B].
        tail_cam: Grad-CAM of each tail for its label [B, 1, h, w], floating point, at most as large as the image;
            computed here or before, any scale.
        head_cam: the same of each head for its label, or None.
        block_size: side of a block in pixels; 4 for 32 x 32 and 28 for 224 x 224 in the paper.
        label_weight: the tail label's weight from mask and maps: :func:`semantic_weight` or :func:`area_weight`.

    Returns:
        The mix, in shape and dtype of `tail`, and ``MixedTarget(tail_labels, head_labels, lam)``.

    Raises:
        TypeError, ValueError: images, labels or maps that do not fit each other, or sizes that the block does not
            divide.

    Example:
        >>> tail, head = torch.ones(1, 3, 2, 4), torch.zeros(1, 3, 2, 4)
        >>> cam = torch.tensor([[[[0.0, 1.0]]]])
        >>> mixed, target = lsm(tail, torch.tensor([2]), head, torch.tensor([0]), cam, block_size=2)
        >>> mixed[0, 0], target.lam
        (tensor([[0.1250, 0.1250, 0.8750, 0.8750],
                [0.1250, 0.1250, 0.8750, 0.8750]]), tensor([0.5000]))
    """
    check_pairs(tail, tail_labels, head, head_labels, "tail", "head")
    return blend_pairs(
        tail, tail_labels, head, head_labels, _by_blocks(tail, tail_cam, head_cam, block_size, label_weight)
    )


def _by_blocks(
    tail: Tensor, tail_cam: Tensor, head_cam: Tensor | None, block_size: int, label_weight: LabelWeight
) -> MixRecord:
    check_whole(block_size, "block_size", 1)
    check_divisible(tail, block_size, "tail")
    _check_cam(tail_cam, tail, "tail_cam")
    height, width = tail.shape[-2:]
    mask, tail_map = block_mask(tail_cam, height, width, block_size)
    head_map = None
    if head_cam is not None:
        _check_cam(head_cam, tail, "head_cam")
        _, head_map = block_mask(head_cam, height, width, block_size)
        head_map = head_map.to(tail_map.dtype)
    check_callable(label_weight, "label_weight", "a function of mask and maps")
    lam = label_weight(mask, tail_map, head_map)
    check_share(lam, "label_weight")
    check_same_device(tail, lam, "tail", "label_weight")
    if lam.shape != tail.shape[:1]:
        raise ValueError(f"label_weight: expected one for each of {len(tail)} images, got shape {list(lam.shape)}")
    return MixRecord(mask, lam)


def _check_cam(cam: Tensor, tail: Tensor, name: str) -> None:
    check_map(cam, name)
    check_same_device(tail, cam, "tail", name)
    if len(cam) != len(tail):
        raise ValueError(f"{name}: expected one map for each of {len(tail)} images, got {len(cam)}")
    if cam.shape[-2] > tail.shape[-2] or cam.shape[-1] > tail.shape[-1]:
        raise ValueError(
            f"{name}: expected maps of at most {tail.shape[-2]}x{tail.shape[-1]} like the images, "
            f"got {cam.shape[-2]}x{cam.shape[-1]}"
        )


class LSM(Mix):
    """Local semantic mixing as a module: see :func:`lsm`. It draws nothing; the maps decide.

    Args:
        block_size: side of a block in pixels.
        label_weight: ``(mask, tail_map, head_map) -> [B]``: :func:`~longtail_mix.functional.semantic_weight`,
            :func:`~longtail_mix.functional.area_weight`, or your own.

    Shape:
        tail [B, C, H, W], tail_labels [B], head [B, C, H, W], head_labels [B], tail_cam [B, 1, h, w] and perhaps
        head_cam [B, 1, h, w] -> images [B, C, H, W], :class:`~longtail_mix.MixedTarget`.

    Example:
        >>> tail, head = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
        >>> tail_labels, head_labels, tail_cam = torch.tensor([7, 9]), torch.tensor([0, 1]), torch.rand(2, 1, 8, 8)
        >>> images, target = LSM(block_size=4)(tail, tail_labels, head, head_labels, tail_cam)
        >>> images.shape, target.lam.shape
        (torch.Size([2, 3, 32, 32]), torch.Size([2]))
    """

    def __init__(self, block_size: int = 4, label_weight: LabelWeight = semantic_weight) -> None:
        super().__init__()
        check_whole(block_size, "block_size", 1)
        check_callable(label_weight, "label_weight", "a function of mask and maps")
        self.block_size = block_size
        self.label_weight = label_weight

    def forward(  # type: ignore[override]  # LSM's arguments have names of their own
        self,
        tail: Tensor,
        tail_labels: Tensor,
        head: Tensor,
        head_labels: Tensor,
        tail_cam: Tensor,
        head_cam: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, MixedTarget]:
        """Mix pairs as their maps say."""
        check_pairs(tail, tail_labels, head, head_labels, "tail", "head")
        _check_cam(tail_cam, tail, "tail_cam")
        if head_cam is not None:
            _check_cam(head_cam, tail, "head_cam")
        return super().forward(tail, tail_labels, head, head_labels, tail_cam, head_cam, generator=generator)

    def rule(
        self,
        pairs: Pairs,
        generator: torch.Generator | None = None,  # noqa: ARG002 - all mixes are called alike; nothing is drawn here
    ) -> MixRecord:
        """The mean of the first map in each block; the label by saliency. Maps are class activation maps."""
        if pairs.first_map is None:
            raise TypeError("tail_cam: expected a torch.Tensor, got NoneType")
        return _by_blocks(pairs.first, pairs.first_map, pairs.second_map, self.block_size, self.label_weight)

    def extra_repr(self) -> str:
        """Show the block size and which weight the label gets."""
        return f"block_size={self.block_size}, label_weight={getattr(self.label_weight, '__name__', '...')}"
