"""From saliency or a segmentation to boxes around the lesion, and to the masks that CARE's attention loss takes.

This is done once per image, before the training, on the CPU: it is not meant for a training loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor, nn

from longtail_mix._checks import (
    check_callable,
    check_has_pixels,
    check_has_values,
    check_map,
    check_positive,
    check_probability,
    check_same_device,
    check_share,
    check_tensor,
    check_whole,
    needs_extra,
    values_are_readable,
)
from longtail_mix._module import Module

__all__ = ["LesionRegions", "Regions", "box_masks", "lesion_regions", "otsu_threshold", "scale_boxes"]

Threshold = float | Callable[[Tensor], Tensor]


class Regions(NamedTuple):
    """Where the lesion of each image is; ``~mask`` is M_out.

    Args:
        mask: M_in [B, 1, H, W], bool, true inside the boxes.
        has_mask: whether there is a box at all [B], bool.
        boxes: for each image its boxes [n, 4], int64: left, top, right, bottom in pixels, the last two exclusive; the
            box of the largest component first.

    Example:
        >>> regions = lesion_regions(torch.zeros(1, 1, 8, 8))
        >>> regions.has_mask, regions.boxes[0].shape
        (tensor([False]), torch.Size([0, 4]))
    """

    mask: Tensor
    has_mask: Tensor
    boxes: tuple[Tensor, ...]


def lesion_regions(
    saliency: Tensor,
    threshold: Threshold = 0.5,
    largest_only: bool = True,
    min_area: float = 0.005,
    scale: float = 1.0,
) -> Regions:
    """Threshold, connected components, boxes around them: Sec. 3.3 of the CARE paper.

    Pixels above the threshold that touch, also at a corner, are one component (by OpenCV). Small components are
    dropped, and the box around the largest, or around each, is what counts as inside.

    Args:
        saliency: maps [B, 1, H, W], floating point in [0, 1] or bool: saliency, a lesion's probability, or a mask
            that a person drew.
        threshold: a number, 0.5 in the paper; or a function from maps to one threshold each [B]:
            :func:`otsu_threshold`.
        largest_only: whether only the largest component counts, or all that are not small.
        min_area: components below this share of the image are dropped, from 0 to 1.
        scale: the boxes are stretched by this about their middles: :func:`scale_boxes`.

    Returns:
        :class:`Regions` on the maps' device. An image without component has no box, an empty mask and ``has_mask``
        false, which CARE's loss leaves out.

    Raises:
        TypeError: maps that are neither floating point nor bool, options that are no numbers.
        ValueError: another shape, options out of range, or (on the CPU) NaN or values outside [0, 1].
        ImportError: OpenCV is missing.

    Example:
        >>> saliency = torch.zeros(1, 1, 8, 8)
        >>> saliency[..., 2:5, 1:7] = 0.9
        >>> lesion_regions(saliency).boxes
        (tensor([[1, 2, 7, 5]]),)
    """
    check_tensor(saliency, "saliency")
    check_has_values(saliency, "saliency")
    _check_options(threshold, largest_only, min_area, scale)
    above = _above(saliency, threshold)
    height, width = above.shape[2:]
    boxes = []
    for one in above[:, 0].to(device="cpu", dtype=torch.uint8):
        # A share of the pixels that is a whole number may come out a rounding error above it.
        found = _components(one, ceil(min_area * height * width - 1e-6))
        found = scale_boxes(found[:1] if largest_only else found, scale, height, width)
        boxes.append(found.to(saliency.device))
    mask = box_masks(boxes, height, width) if boxes else above
    return Regions(mask, mask.flatten(1).any(1), tuple(boxes))


class LesionRegions(Module):
    """From images to regions, as a module: see :func:`lesion_regions`.

    Args:
        saliency: images -> maps [B, 1, H, W] in [0, 1]: :class:`~longtail_mix.SkinContrastSaliency` where nobody drew
            a mask, :class:`~longtail_mix.SegmentationSaliency` where a network has learnt to.
        threshold: see :func:`lesion_regions`, likewise the others.
        largest_only: whether only the largest component counts.
        min_area: components below this share of the image are dropped.
        scale: the boxes are stretched by this about their middles.

    Example:
        >>> from longtail_mix import SkinContrastSaliency
        >>> regions = LesionRegions(SkinContrastSaliency(), threshold=otsu_threshold)(torch.rand(2, 3, 32, 32))
        >>> regions.mask.shape
        torch.Size([2, 1, 32, 32])
    """

    def __init__(
        self,
        saliency: nn.Module,
        threshold: Threshold = 0.5,
        largest_only: bool = True,
        min_area: float = 0.005,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        check_callable(saliency, "saliency", "a module from images to maps")
        _check_options(threshold, largest_only, min_area, scale)
        self.saliency, self.threshold = saliency, threshold
        self.largest_only, self.min_area, self.scale = largest_only, min_area, scale

    def forward(self, images: Tensor) -> Regions:
        """The regions of images [B, 3, H, W]."""
        return lesion_regions(self.saliency(images), self.threshold, self.largest_only, self.min_area, self.scale)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"largest_only={self.largest_only}, min_area={self.min_area}, scale={self.scale}"


def otsu_threshold(saliency: Tensor) -> Tensor:
    """The threshold that splits the pixels of each map into two groups as unlike as can be (Otsu 1979), by kornia.

    Args:
        saliency: maps [B, 1, H, W], floating point.

    Returns:
        [B]; pixels strictly above it are inside. A flat map has none above.

    Raises:
        TypeError, ValueError: as :func:`lesion_regions`.

    Example:
        >>> saliency = torch.tensor([[[[0.1, 0.1, 0.9, 0.7]]]])
        >>> saliency > otsu_threshold(saliency).view(-1, 1, 1, 1)
        tensor([[[[False, False,  True,  True]]]])
    """
    import kornia.filters

    check_map(saliency)
    check_share(saliency, "saliency")
    if not len(saliency):
        return saliency.new_zeros(0)
    threshold: Tensor = kornia.filters.otsu_threshold(saliency.float())[1]
    return threshold


def scale_boxes(boxes: Tensor, scale: float, height: int, width: int) -> Tensor:
    """Stretch boxes about their middles and keep them inside the image: 0.7 to 1.1 in Fig. 11 of the CARE paper.

    Args:
        boxes: [n, 4], int64: left, top, right, bottom, the last two exclusive.
        scale: how many times as wide and as high, more than 0.
        height: of the image.
        width: of the image.

    Returns:
        Boxes [n, 4], rounded to pixels (halves outward), at least one pixel wide and high.

    Raises:
        TypeError, ValueError: boxes of another shape or dtype, empty or outside the image; a scale out of range.

    Example:
        >>> scale_boxes(torch.tensor([[10, 10, 20, 30]]), 1.1, height=32, width=32)
        tensor([[ 9,  9, 21, 31]])
    """
    check_scale(scale)
    _check_boxes(boxes, height, width)
    low, high = boxes[:, :2].double(), boxes[:, 2:].double()
    middle, half = (low + high) / 2, scale * (high - low) / 2
    most = torch.tensor([width, height], device=boxes.device)
    start = torch.minimum((middle - half - 0.5).ceil().long().clamp(min=0), most - 1)
    end = torch.minimum(torch.maximum((middle + half + 0.5).floor().long(), start + 1), most)
    return torch.cat([start, end], 1)


def box_masks(boxes: Sequence[Tensor], height: int, width: int) -> Tensor:
    """The masks of boxes: true inside any box of the image.

    Args:
        boxes: for each image [n, 4], int64: left, top, right, bottom, the last two exclusive; n may be 0.
        height: of the images.
        width: of the images.

    Returns:
        [B, 1, H, W], bool.

    Raises:
        TypeError, ValueError: no image, boxes of another shape or dtype, empty or outside the image.

    Example:
        >>> box_masks([torch.tensor([[1, 0, 3, 1]])], height=2, width=4).int()
        tensor([[[[0, 1, 1, 0],
                  [0, 0, 0, 0]]]], dtype=torch.int32)
    """
    if not isinstance(boxes, Sequence):
        raise TypeError(f"boxes: expected a sequence with those of each image, got {type(boxes).__name__}")
    if not boxes:
        raise ValueError("boxes: expected those of at least one image, got none")
    masks = []
    for of_image in boxes:
        _check_boxes(of_image, height, width)
        check_same_device(boxes[0], of_image, "those of the first image", "boxes")
        y, x = (torch.arange(length, device=of_image.device) for length in (height, width))
        left, top, right, bottom = of_image.unsqueeze(2).unbind(1)  # [n, 1] each
        rows, columns = (y >= top) & (y < bottom), (x >= left) & (x < right)
        masks.append((rows.unsqueeze(2) & columns.unsqueeze(1)).any(0))
    return torch.stack(masks).unsqueeze(1)


def _check_options(threshold: Threshold, largest_only: bool, min_area: float, scale: float) -> None:
    if not callable(threshold):
        check_probability(threshold, "threshold")
    if not isinstance(largest_only, bool):
        raise TypeError(f"largest_only: expected True or False, got {largest_only!r}")
    check_probability(min_area, "min_area")
    check_scale(scale)


def check_scale(scale: float) -> None:
    """Raise unless the boxes can be grown by it."""
    check_positive(scale, "scale")


def _above(saliency: Tensor, threshold: Threshold) -> Tensor:
    """Which pixels are above the threshold, bool [B, 1, H, W]."""
    if saliency.dtype == torch.bool:
        if saliency.ndim != 4 or saliency.shape[1] != 1:
            raise ValueError(f"saliency: expected maps [B, 1, H, W], got shape {list(saliency.shape)}")
        check_has_pixels(saliency, "saliency")
        return saliency
    check_map(saliency)
    if values_are_readable(saliency) and saliency.numel() and not ((saliency >= 0) & (saliency <= 1)).all():
        raise ValueError(f"saliency: expected values in [0, 1], got {saliency.min():.3g} to {saliency.max():.3g}")
    if not callable(threshold):
        return saliency > threshold
    thresholds = threshold(saliency)
    check_tensor(thresholds, "threshold")
    if thresholds.shape != saliency.shape[:1]:
        raise ValueError(
            f"threshold: expected one for each of {len(saliency)} maps, got shape {list(thresholds.shape)}"
        )
    return saliency > thresholds.view(-1, 1, 1, 1)


def _components(above: Tensor, smallest: float) -> Tensor:
    """Boxes of the connected components of uint8 [H, W] that have `smallest` pixels or more, largest first."""
    needs_extra("cv2", "opencv")  # an extra, because two OpenCV wheels break each other
    import cv2

    _, _, stats, _ = cv2.connectedComponentsWithStats(above.contiguous().numpy(), connectivity=8)
    of_components = torch.from_numpy(stats).long()[1:]  # the first is what is not above
    of_components = of_components[of_components[:, cv2.CC_STAT_AREA] >= smallest]
    left, top, width, height, area = of_components.unbind(1)
    order = area.argsort(descending=True, stable=True)
    return torch.stack([left, top, left + width, top + height], 1)[order]


def _check_boxes(boxes: Tensor, height: int, width: int) -> None:
    check_whole(height, "height", 1)
    check_whole(width, "width", 1)
    check_tensor(boxes, "boxes")
    if boxes.dtype != torch.int64:
        raise TypeError(f"boxes: expected torch.int64, got {boxes.dtype}")
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes: expected [n, 4], got shape {list(boxes.shape)}")
    if not values_are_readable(boxes):
        return
    left, top, right, bottom = boxes.unbind(1)
    fits = (left >= 0) & (top >= 0) & (right <= width) & (bottom <= height) & (left < right) & (top < bottom)
    if not fits.all():
        raise ValueError(
            f"boxes: expected left < right and top < bottom inside {height}x{width}, got {boxes[~fits][0].tolist()}"
        )
