"""Bring a grid of ratios to the grid of the features it mixes."""

from __future__ import annotations

from math import isqrt

import torch.nn.functional as F
from torch import Tensor


def fit_ratio(ratio: Tensor, rows: int, columns: int) -> Tensor:
    """A ratio [B, 1, h, w] for features of `rows` x `columns`: block means where it is finer, repeated where coarser.

    Both grids cover the same image, so one divides the other by the same factor both ways; a single ratio fits any.
    """
    height, width = ratio.shape[-2:]
    if (height, width) in ((1, 1), (rows, columns)):
        return ratio.expand(-1, -1, rows, columns)
    if height * columns == width * rows:
        if height % rows == 0:
            return F.adaptive_avg_pool2d(ratio, (rows, columns))
        if rows % height == 0:
            return F.interpolate(ratio, (rows, columns), mode="nearest")
    raise ValueError(
        f"ratio: expected a grid that divides the features' {rows}x{columns} or is divided by it, the same factor both "
        f"ways, got {height}x{width}"
    )


def fit_ratio_to_tokens(ratio: Tensor, tokens: int) -> Tensor:
    """A ratio [B, 1, h, w] for `tokens` patch tokens, whose grid has the same proportions."""
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
