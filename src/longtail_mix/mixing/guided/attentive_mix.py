"""AttentiveMix: the cells of the second image that a network looks at, pasted into the first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from longtail_mix._checks import check_whole
from longtail_mix.mixing.draws._top import spread_cells, top
from longtail_mix.mixing.guided._guide import GuidedMix
from longtail_mix.mixing.mix import Pairs
from longtail_mix.mixing.record import MixRecord

__all__ = ["AttentiveMix"]


class AttentiveMix(GuidedMix):
    """The `paste` most salient of ``cells x cells`` cells of the second image in the first: Walawalkar et al. 2020.

    The paper's map is the feature map of a trained network; any detector or class activation map can take its place.
    The same for one image, in plain PyTorch::

        salient = F.adaptive_avg_pool2d(second_map, cells).flatten().argsort(descending=True)[:paste]
        mask = torch.ones(cells**2).scatter(0, salient, 0).view(cells, cells)    # 1 where the first image stays
        lam = 1 - paste / cells**2

    Args:
        cells: to each side of the grid, at least 1; 7 in the paper. They need not divide the image.
        paste: how many cells come from the second image, from 1 to ``cells ** 2``; 6 in the paper.
        saliency: a module from images to maps. Default: :class:`~longtail_mix.SaliencyMap` with `mean` and `std`.
        mean: per-channel mean the images were normalised with, for the default saliency.
        std: per-channel standard deviation, likewise.

    Shape:
        first [B, 3, H, W], first_labels [B], second [B, 3, H, W], second_labels [B], and maps [B, 1, h, w] of both if
        computed before -> images [B, 3, H, W], :class:`~longtail_mix.MixedTarget`, `lam` the share of the pixels.

    Raises:
        TypeError, ValueError: options out of range; images, labels or maps that do not fit each other.

    Example:
        >>> from longtail_mix import InBatch, RandomPairing
        >>> images, labels = torch.rand(4, 3, 14, 14), torch.tensor([0, 0, 1, 2])
        >>> _, target = InBatch(AttentiveMix(), RandomPairing())(images, labels)
        >>> target.lam
        tensor([0.8776, 0.8776, 0.8776, 0.8776])
    """

    def __init__(
        self,
        cells: int = 7,
        paste: int = 6,
        saliency: nn.Module | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(saliency, mean, std)
        check_whole(cells, "cells", 1)
        check_whole(paste, "paste", 1)
        if paste > cells**2:
            raise ValueError(f"paste: expected at most {cells**2} cells, got {paste}")
        self.cells, self.paste = cells, paste

    def rule(
        self,
        pairs: Pairs,
        generator: torch.Generator | None = None,  # noqa: ARG002 - all mixes are called alike; nothing is drawn here
    ) -> MixRecord:
        """The most salient cells; the first map is not read."""
        values = F.adaptive_avg_pool2d(self.second_map(pairs), self.cells).flatten(1)
        pasted = top(values, torch.full_like(values[:, 0], self.paste)).view(-1, 1, self.cells, self.cells)
        mask = spread_cells(~pasted, *pairs.first.shape[-2:])
        return MixRecord(mask, mask.to(torch.float32).mean((1, 2, 3)))
