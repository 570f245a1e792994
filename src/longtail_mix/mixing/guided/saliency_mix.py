"""SaliencyMix: CutMix whose box lies where the second image is most salient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from longtail_mix._checks import check_callable, check_generator, check_map, check_positive, check_same_device
from longtail_mix.mixing._pairs import check_lam, check_pairs
from longtail_mix.mixing.classic.cutmix import outside_boxes
from longtail_mix.mixing.draws import boxes_around, draw_lam
from longtail_mix.mixing.mix import Mix, Pairs, blend_pairs
from longtail_mix.mixing.record import MixRecord
from longtail_mix.saliency import SaliencyMap
from longtail_mix.targets import MixedTarget

__all__ = ["SaliencyMix", "saliency_mix", "saliency_peaks"]


def saliency_peaks(saliency: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """The most salient pixel (x, y) of each map; one of them, each as likely, where several are.

    So a map without contrast gives any pixel of the image, and a wide plateau not always its upper left corner.

    Args:
        saliency: [B, 1, H, W], floating point.
        generator: on the same kind of device as `saliency`.

    Returns:
        Pixels [B, 2], int64.

    Raises:
        TypeError, ValueError: other shapes or dtypes, NaN or infinity (on the CPU, uncompiled), another device.

    Example:
        >>> saliency_peaks(torch.tensor([[[[0.1, 0.2, 0.9], [0.0, 0.5, 0.3]]]]))
        tensor([[2, 0]])
    """
    check_map(saliency)
    check_generator(generator, saliency.device)
    values = saliency.flatten(1)
    draw = torch.empty(values.shape, device=values.device).uniform_(generator=generator)
    pixel = torch.where(values == values.amax(1, keepdim=True), draw, -1.0).argmax(1)
    width = saliency.shape[-1]
    return torch.stack([pixel % width, pixel // width], 1)


def saliency_mix(
    first: Tensor,
    first_labels: Tensor,
    second: Tensor,
    second_labels: Tensor,
    second_map: Tensor,
    lam: Tensor,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, MixedTarget]:
    """Paste the most salient box of each second image into the first, at the same place: Uddin et al. 2021.

    The box has the sides of CutMix, ``sqrt(1 - lam)`` of the image's, and the most salient pixel of the second
    image as its centre; at the border it is clipped, and the first label's weight is the share that stays.

    The whole of it::

        boxes = boxes_around(saliency_peaks(second_map, generator), lam, H, W)
        return cutmix(first, first_labels, second, second_labels, boxes)

    Args:
        first: images [B, C, H, W], uint8 or floating point.
        first_labels: their classes [B], integers.
        second: the images that boxes are cut from, same shape, dtype and device.
        second_labels: their classes [B].
        second_map: their saliency [B, 1, H, W], floating point.
        lam: the share of each first image that should stay [B], in [0, 1]; see :func:`draw_lam`.
        generator: chooses among pixels that are equally salient; on the same kind of device as the images.

    Returns:
        The mix, in shape and dtype of `first`, and ``MixedTarget(first_labels, second_labels, lam)``, lam recomputed.

    Raises:
        TypeError, ValueError: images, labels, maps or shares that do not fit each other or are out of range.

    Example:
        >>> first, second = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
        >>> labels, lam = torch.tensor([0]), torch.tensor([0.75])
        >>> bright = torch.zeros(1, 1, 4, 4)
        >>> bright[..., 1, 2] = 1
        >>> mixed, target = saliency_mix(first, labels, second, labels + 1, bright, lam)
        >>> mixed[0, 0], target.lam
        (tensor([[0., 1., 1., 0.],
                [0., 1., 1., 0.],
                [0., 0., 0., 0.],
                [0., 0., 0., 0.]]), tensor([0.7500]))
    """
    check_pairs(first, first_labels, second, second_labels)
    record = _around_peak(first, second_map, lam, generator)
    return blend_pairs(first, first_labels, second, second_labels, record)


def _around_peak(first: Tensor, second_map: Tensor, lam: Tensor, generator: torch.Generator | None) -> MixRecord:
    check_map(second_map, "second_map")
    check_same_device(first, second_map, "first", "second_map")
    height, width = first.shape[-2:]
    if second_map.shape != (len(first), 1, height, width):
        raise ValueError(
            f"second_map: expected one of {height}x{width} for each of {len(first)} images, "
            f"got shape {list(second_map.shape)}"
        )
    check_lam(lam, first)
    return outside_boxes(boxes_around(saliency_peaks(second_map, generator), lam, height, width), height, width)


class SaliencyMix(Mix):
    """SaliencyMix with a map for every image and a share of its own for each pair, as a module.

    The paper uses the detector that SPMix uses too; any other module from images to maps can take its place.

    Args:
        alpha: of the Beta distribution that the share of the first image comes from, above 0.
        saliency: a module from images [B, 3, H, W] to maps [B, 1, H, W]. Default:
            :class:`~longtail_mix.SaliencyMap` with `mean` and `std`.
        mean: per-channel mean the images were normalised with, for the default saliency.
        std: per-channel standard deviation, likewise.

    Shape:
        first [B, 3, H, W], first_labels [B], second [B, 3, H, W], second_labels [B], and maps [B, 1, H, W] of both if
        computed before -> images [B, 3, H, W], :class:`~longtail_mix.MixedTarget`.

    Example:
        >>> from longtail_mix import InBatch, RandomPairing
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> images, target = InBatch(SaliencyMix(), RandomPairing())(images, labels)
        >>> target.soft(3).shape
        torch.Size([4, 3])
    """

    def __init__(
        self,
        alpha: float = 1.0,
        saliency: nn.Module | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        check_positive(alpha, "alpha")
        if saliency is not None and (mean is not None or std is not None):
            raise ValueError("mean, std: expected None beside a saliency of your own, which has to hold them itself")
        if saliency is not None:
            check_callable(saliency, "saliency", "a module from images to maps")
        self.alpha = alpha
        self.saliency = SaliencyMap(mean, std) if saliency is None else saliency

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """A box around the most salient pixel of the second image; the first map is not read."""
        second_map = self.saliency(pairs.second) if pairs.second_map is None else pairs.second_map
        lam = draw_lam(pairs.first_labels, self.alpha, generator)
        return _around_peak(pairs.first, second_map, lam, generator)
