"""CutMix: a box of the second image in the first, the label shared by area."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from longtail_mix._checks import check_positive, check_same_device, check_tensor, values_are_readable
from longtail_mix.mixing._pairs import check_pairs
from longtail_mix.mixing.draws import draw_lam, random_boxes
from longtail_mix.mixing.mix import Mix, Pairs, blend_pairs
from longtail_mix.mixing.record import MixRecord
from longtail_mix.targets import MixedTarget

__all__ = ["CutMix", "cutmix"]


def cutmix(
    first: Tensor, first_labels: Tensor, second: Tensor, second_labels: Tensor, boxes: Tensor
) -> tuple[Tensor, MixedTarget]:
    """Paste a box of each second image into the first, at the same place: Yun et al. 2019, Eq. 1.

    ``mixed = M * first + (1 - M) * second`` with M zero inside the box. The first label's weight is the share of the
    image that really stays: a box that reaches over the border is clipped first, and then ``lam = mean(M)``.

    The same for one image, in plain PyTorch::

        mixed = first.clone()
        mixed[:, y1:y2, x1:x2] = second[:, y1:y2, x1:x2]
        lam = 1 - (x2 - x1) * (y2 - y1) / (H * W)

    Args:
        first: images [B, C, H, W] or volumes [B, C, D, H, W], uint8 or floating point.
        first_labels: their classes [B], integers; or [B, K], as in :class:`~longtail_mix.MixedTarget`.
        second: their partners, same shape, dtype and device.
        second_labels: the partners' classes [B].
        boxes: (x1, y1, x2, y2) for each pair, [B, 4], integers; x2 and y2 are the first pixels outside. For volumes
            (x1, y1, z1, x2, y2, z2), [B, 6]. See :func:`random_boxes`.

    Returns:
        The mix, in shape and dtype of `first`, and ``MixedTarget(first_labels, second_labels, lam)``, lam float32.

    Raises:
        TypeError, ValueError: images, labels or boxes that do not fit each other or are out of range (values are
            read on the CPU outside ``torch.compile`` only).

    Example:
        >>> black, white = torch.zeros(1, 1, 2, 4), torch.ones(1, 1, 2, 4)
        >>> box = torch.tensor([[1, 1, 9, 9]])  # reaches over the border
        >>> mixed, target = cutmix(black, torch.tensor([0]), white, torch.tensor([1]), box)
        >>> mixed[0, 0], target.lam
        (tensor([[0., 0., 0., 0.],
                [0., 1., 1., 1.]]), tensor([0.6250]))
    """
    check_pairs(first, first_labels, second, second_labels, volumes=True)
    _check_boxes(boxes, first)
    return blend_pairs(first, first_labels, second, second_labels, outside_boxes(boxes, *first.shape[2:]))


def outside_boxes(boxes: Tensor, *size: int) -> MixRecord:
    """The first image outside the box of each pair, the second inside; the label by area, a volume's by volume."""
    low, high = (corner.flip(1).unbind(1) for corner in boxes.chunk(2, 1))  # of rows first, as `size` is
    along = [_between(*ends) for ends in zip(low, high, size, strict=True)]
    inside = along[0].unsqueeze(1)  # [B, 1, H], then [B, 1, H, W]
    covered = along[0].sum(1)
    for row in along[1:]:
        inside = inside.unsqueeze(-1) & row.view(len(row), *(1,) * (inside.ndim - 1), row.shape[1])
        covered = covered * row.sum(1)
    return MixRecord(~inside, 1 - covered.to(torch.float32) / prod(size))


def _between(low: Tensor, high: Tensor, size: int) -> Tensor:
    """Which of `size` pixels lie in [low, high): [B, size]."""
    pixel = torch.arange(size, device=low.device)
    return (pixel >= low.unsqueeze(1)) & (pixel < high.unsqueeze(1))


def _check_boxes(boxes: Tensor, images: Tensor) -> None:
    check_tensor(boxes, "boxes")
    if boxes.is_floating_point() or boxes.is_complex() or boxes.dtype == torch.bool:
        raise TypeError(f"boxes: expected integers, got {boxes.dtype}")
    corners = "(x1, y1, x2, y2)" if images.ndim == 4 else "(x1, y1, z1, x2, y2, z2)"
    if boxes.shape != (len(images), 2 * (images.ndim - 2)):
        raise ValueError(
            f"boxes: expected one {corners} for each of {len(images)} images, got shape {list(boxes.shape)}"
        )
    check_same_device(images, boxes, "first", "boxes")
    if values_are_readable(boxes):
        low, high = boxes.chunk(2, 1)
        turned = boxes[(high < low).any(1)]
        if len(turned):
            raise ValueError(f"boxes: expected x1 <= x2 and y1 <= y2, got {turned[0].tolist()}")


class CutMix(Mix):
    """CutMix with a box of its own for each pair, as a module: see :func:`cutmix`.

    Args:
        alpha: of the Beta distribution that the share of the first image comes from, above 0.

    Shape:
        first [B, C, H, W], first_labels [B], second [B, C, H, W], second_labels [B] -> images [B, C, H, W],
        :class:`~longtail_mix.MixedTarget`. Or volumes [B, C, D, H, W], and a box in three dimensions.

    Example:
        >>> from longtail_mix import InBatch, RandomPairing
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> images, target = InBatch(CutMix(), RandomPairing())(images, labels)
        >>> target.soft(3).shape
        torch.Size([4, 3])
    """

    takes_volumes = True

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        check_positive(alpha, "alpha")
        self.alpha = alpha

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """A box anywhere in the image."""
        *depth, height, width = pairs.first.shape[2:]
        lam = draw_lam(pairs.first_labels, self.alpha, generator)
        return outside_boxes(random_boxes(lam, height, width, generator, *depth), *pairs.first.shape[2:])
