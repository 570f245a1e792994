"""The largest of many values, as many as asked for."""

from __future__ import annotations

import torch
from torch import Tensor


def top(values: Tensor, count: Tensor) -> Tensor:
    """Which of the values [B, N] are the `count` [B] largest of their row; of equal ones the earlier. Bool [B, N]."""
    order = values.argsort(dim=1, descending=True, stable=True)
    return order.argsort(dim=1) < count.unsqueeze(1)


def spread_cells(cells: Tensor, height: int, width: int) -> Tensor:
    """Cells [B, 1, n, m] on a grid of pixels [B, 1, height, width], whether or not they divide it."""
    rows, columns = cells.shape[-2:]
    y = torch.arange(height, device=cells.device) * rows // height
    x = torch.arange(width, device=cells.device) * columns // width
    return cells[:, :, y][:, :, :, x]
