"""Several detectors asked at once: the mean of their maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from longtail_mix._checks import check_alike, check_map
from longtail_mix._module import Module

__all__ = ["MeanSaliency", "mean_saliency"]


def mean_saliency(maps: Sequence[Tensor]) -> Tensor:
    """The mean of the maps of several detectors.

    Where detectors fail on different images, as a learned and an unlearned one do, their mean fails on fewer. The
    same in plain PyTorch is ``torch.stack(maps).mean(0)``.

    Args:
        maps: [B, 1, H, W] in [0, 1] each, floating point, of one dtype and device.

    Returns:
        [B, 1, H, W] in [0, 1], in their dtype.

    Raises:
        TypeError: maps that are not floating point.
        ValueError: no map, maps that do not fit each other, or (on the CPU, uncompiled) NaN or infinity.

    Example:
        >>> mean_saliency([torch.zeros(1, 1, 1, 2), torch.ones(1, 1, 1, 2)])
        tensor([[[[0.5000, 0.5000]]]])
    """
    if not isinstance(maps, Sequence):
        raise TypeError(f"maps: expected a sequence of maps, got {type(maps).__name__}")
    if not maps:
        raise ValueError("maps: expected at least one, got none")
    for i, one in enumerate(maps):
        check_map(one, f"maps[{i}]")
        check_alike(maps[0], one, "maps[0]", f"maps[{i}]")
    return torch.stack(list(maps)).mean(0)


class MeanSaliency(Module):
    """Detectors side by side: see :func:`mean_saliency`.

    Args:
        detectors: modules from images [B, 3, H, W] to maps [B, 1, H, W] in [0, 1].

    Shape:
        images [B, 3, H, W] -> [B, 1, H, W] in [0, 1].

    Raises:
        ValueError: no detector.

    Example:
        >>> from longtail_mix import SaliencyMap, SkinContrastSaliency
        >>> MeanSaliency(SkinContrastSaliency(), SaliencyMap())(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 1, 32, 32])
    """

    def __init__(self, *detectors: nn.Module) -> None:
        super().__init__()
        if not detectors:
            raise ValueError("detectors: expected at least one, got none")
        for i, detector in enumerate(detectors):
            if not isinstance(detector, nn.Module):
                raise TypeError(f"detectors[{i}]: expected a torch.nn.Module, got {type(detector).__name__}")
        self.detectors = nn.ModuleList(detectors)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to the mean saliency [B, 1, H, W]."""
        return mean_saliency([detector(images) for detector in self.detectors])
