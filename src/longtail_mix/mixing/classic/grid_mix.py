"""GridMix: the cells of a grid, some of one image and the others of another."""

from __future__ import annotations

import torch

from longtail_mix._checks import check_positive, check_whole
from longtail_mix.mixing.draws import draw_lam
from longtail_mix.mixing.draws._top import spread_cells, top
from longtail_mix.mixing.mix import Mix, Pairs
from longtail_mix.mixing.record import MixRecord

__all__ = ["GridMix"]


class GridMix(Mix):
    """Of ``cells x cells`` cells, ``round(lam * cells ** 2)`` drawn ones stay: Baek et al. 2021, their image mix.

    The paper's second part, a loss that asks for the class of each cell, belongs to a network and is not here:
    ``with_record`` has the mask that such a loss needs. The same for one image, in plain PyTorch::

        stays = torch.randperm(cells**2) < round(lam * cells**2)
        mask = stays.view(cells, cells)[y * cells // H, x * cells // W]    # for each pixel (x, y)
        mixed = torch.where(mask, first, second)

    Args:
        cells: to each side of the grid, at least 1; they need not divide the image.
        alpha: of the Beta distribution that the share of the first image comes from, above 0.

    Shape:
        first [B, C, H, W], first_labels [B], second [B, C, H, W], second_labels [B] -> images [B, C, H, W],
        :class:`~longtail_mix.MixedTarget`, `lam` the share of the pixels that are the first's.

    Raises:
        TypeError, ValueError: options out of range.

    Example:
        >>> from longtail_mix import InBatch, RandomPairing
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> images, target = InBatch(GridMix(cells=4), RandomPairing())(images, labels)
        >>> target.soft(3).shape
        torch.Size([4, 3])
    """

    def __init__(self, cells: int = 4, alpha: float = 1.0) -> None:
        super().__init__()
        check_whole(cells, "cells", 1)
        check_positive(alpha, "alpha")
        self.cells, self.alpha = cells, alpha

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """Cells drawn at random."""
        lam = draw_lam(pairs.first_labels, self.alpha, generator)
        draw = torch.empty((len(lam), self.cells**2), device=lam.device).uniform_(generator=generator)
        stays = top(draw, (lam * self.cells**2).round()).view(-1, 1, self.cells, self.cells)
        mask = spread_cells(stays, *pairs.first.shape[-2:])
        return MixRecord(mask, mask.to(torch.float32).mean((1, 2, 3)))
