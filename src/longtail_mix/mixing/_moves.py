"""Images that are moved before they are mixed: where each place goes to, and where each pixel is read."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix._precision import without_autocast


def pixel_grid(height: int, width: int, like: Tensor) -> Tensor:
    """The middles of the pixels (x, y), [1, H, W, 2], from -1 to 1 between the edges of the image, in like's dtype."""
    y, x = ((torch.arange(n, device=like.device, dtype=like.dtype) * 2 + 1) / n - 1 for n in (height, width))
    return torch.stack([x.expand(height, width), y.unsqueeze(1).expand(height, width)], -1).unsqueeze(0)


def identity_grid(grid: Tensor) -> Tensor:
    """The grid [1, H, W, 2] of the same size that leaves every pixel where it is."""
    return pixel_grid(grid.shape[1], grid.shape[2], grid)


def identity_affine(like: Tensor) -> Tensor:
    """The map [1, 2, 3] that leaves every place where it is."""
    return torch.eye(2, 3, device=like.device, dtype=like.dtype).unsqueeze(0)


def affine_of_boxes(source: Tensor, target: Tensor) -> Tensor:
    """The map [B, 2, 3] of places in pixels that takes source boxes (x1, y1, x2, y2) [B, 4] to target boxes."""
    factor = (target[:, 2:] - target[:, :2]) / (source[:, 2:] - source[:, :2])
    return torch.cat([torch.diag_embed(factor), (target[:, :2] - factor * source[:, :2]).unsqueeze(2)], 2)


def move(places: Tensor, affine: Tensor) -> Tensor:
    """Where places (x, y) [B, ..., 2] go to; and not by a matrix product, which autocast would round."""
    a = affine.view(-1, *[1] * (places.ndim - 2), 2, 3)
    x, y = places[..., :1], places[..., 1:]
    return a[..., 0] * x + a[..., 1] * y + a[..., 2]


def inverse(affine: Tensor) -> Tensor:
    """The map [B, 2, 3] back; a map that turns and scales has one."""
    (a, b, c), (d, e, f) = (row.unbind(1) for row in affine.unbind(1))
    det = a * e - b * d
    rows = torch.stack([e, -b, b * f - c * e]), torch.stack([-d, a, c * d - a * f])
    return (torch.stack(rows) / det).permute(2, 0, 1)


def places_read(affine: Tensor, height: int, width: int) -> Tensor:
    """The place [B, H, W, 2], in pixels, that each pixel of a moved image is read at."""
    size = torch.tensor([width, height], device=affine.device, dtype=affine.dtype)
    return move((pixel_grid(height, width, size) + 1) / 2 * size, inverse(affine))


def grid_of_places(places: Tensor) -> Tensor:
    """Places in pixels [B, H, W, 2] as ``F.grid_sample(align_corners=False)`` takes them."""
    height, width = places.shape[1:3]
    return places / torch.tensor([width, height], device=places.device, dtype=places.dtype) * 2 - 1


def moved(images: Tensor, grid: Tensor | None, mode: str = "bilinear") -> Tensor:
    """Images read at the places of a grid, in float32 at least; what lies outside is the nearest edge."""
    if grid is None:
        return images
    dtype = torch.promote_types(images.dtype, torch.float32)
    with without_autocast(images):
        moved = F.grid_sample(images.to(dtype), grid.to(dtype), mode, padding_mode="border", align_corners=False)
    is_last = images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
    return moved.to(images.dtype, memory_format=torch.channels_last if is_last else torch.contiguous_format)
