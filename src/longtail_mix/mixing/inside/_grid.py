"""Bring a grid of ratios to the grid of the features it mixes."""

from __future__ import annotations

from math import isqrt

import torch.nn.functional as F
from torch import Tensor

from longtail_mix._checks import written


def fit_ratio(ratio: Tensor, *size: int) -> Tensor:
    """A ratio [B, 1, h, w] for features of `size`: block means where it is finer, repeated where it is coarser.

    Both grids cover the same image, so one divides the other by the same factor both ways; a single ratio fits any. Of
    volumes they have a depth before.
    """
    grid = tuple(ratio.shape[2:])
    if len(grid) == len(size):
        if set(grid) == {1} or grid == size:
            return ratio.expand(-1, -1, *size)
        if all(cells * size[0] == places * grid[0] for cells, places in zip(grid, size, strict=True)):
            if grid[0] % size[0] == 0:
                pool = F.avg_pool2d if len(size) == 2 else F.avg_pool3d
                return pool(ratio, grid[0] // size[0])
            if size[0] % grid[0] == 0:
                return F.interpolate(ratio, size, mode="nearest")
    raise ValueError(
        f"ratio: expected a grid that divides the features' {written(size)} or is divided by it, the same factor both "
        f"ways, got {written(grid)}"
    )


def fit_ratio_to_tokens(ratio: Tensor, tokens: int) -> Tensor:
    """A ratio [B, 1, h, w] for `tokens` patch tokens, whose grid has the same proportions."""
    if ratio.ndim != 4:
        raise ValueError(f"ratio: expected [B, 1, h, w] for tokens of images, got shape {list(ratio.shape)}")
    height, width = ratio.shape[-2:]
    if (height, width) == (1, 1):
        return fit_ratio(ratio, 1, tokens)
    rows = isqrt(tokens * height // width)
    columns = tokens // max(rows, 1)
    if not tokens or rows * columns != tokens or rows * width != columns * height:
        raise ValueError(
            f"ratio: expected the proportions of the features' grid of {tokens} tokens (is num_prefix_tokens right?), "
            f"got {height}x{width}"
        )
    return fit_ratio(ratio, rows, columns)
