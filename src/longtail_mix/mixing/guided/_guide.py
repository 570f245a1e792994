"""Maps for mixes that are guided by them: given, or made by a detector; on the images' grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtail_mix._checks import check_callable, check_map, check_same_device
from longtail_mix.mixing.mix import Mix, Pairs
from longtail_mix.saliency import SaliencyMap


class GuidedMix(Mix):
    """A mix that looks at a map of each image: those handed over, or those of its `saliency`."""

    detector: ClassVar[type[nn.Module]] = SaliencyMap

    def __init__(self, saliency: nn.Module | None, mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
        super().__init__()
        if saliency is not None and (mean is not None or std is not None):
            raise ValueError("mean, std: expected None beside a saliency of your own, which has to hold them itself")
        if saliency is not None:
            check_callable(saliency, "saliency", "a module from images to maps")
        self.saliency = self.detector(mean=mean, std=std) if saliency is None else saliency

    def first_map(self, pairs: Pairs) -> Tensor:
        """The map of each first image, [B, 1, H, W]."""
        given = self.saliency(pairs.first) if pairs.first_map is None else pairs.first_map
        return on_grid(given, pairs.first, "first_map")

    def second_map(self, pairs: Pairs) -> Tensor:
        """The map of each second image, [B, 1, H, W]."""
        given = self.saliency(pairs.second) if pairs.second_map is None else pairs.second_map
        return on_grid(given, pairs.second, "second_map")


def on_grid(given: Tensor, images: Tensor, name: str) -> Tensor:
    """A map for each image, brought to its grid of pixels (bilinear), as class activation maps are coarser."""
    check_map(given, name)
    check_same_device(images, given, "images", name)
    if len(given) != len(images):
        raise ValueError(f"{name}: expected one for each of {len(images)} images, got {len(given)}")
    if given.shape[-2:] == images.shape[-2:]:
        return given
    return F.interpolate(given, images.shape[-2:], mode="bilinear", align_corners=False)


def semantic_share(first_map: Tensor, first: Tensor, second_map: Tensor, second: Tensor, by_area: Tensor) -> Tensor:
    """``r1 / (r1 + r2)`` [B], r1 the share of the first map [B, 1, H, W] where `first` is true, r2 of the second.

    Where the maps have nothing there, `by_area` [B]. The share of a map of zeros is 0.
    """
    r1, r2 = _share(first_map, first), _share(second_map, second)
    none = r1 + r2 == 0
    return torch.where(none, by_area, r1 / torch.where(none, 1, r1 + r2)).clamp(0, 1)


def _share(of: Tensor, where: Tensor) -> Tensor:
    total = of.float().sum((1, 2, 3))
    return (of.float() * where).sum((1, 2, 3)) / torch.where(total == 0, 1, total)
