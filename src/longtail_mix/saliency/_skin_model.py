"""What lies where in a dermoscopic image: hairs closed, dark corners, the skin's colour, a threshold."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix._checks import values_are_readable

# A dark corner is darker than this in L*, has less colour than this (distance from grey in a*, b*), and hangs
# together with a corner of the image: what lies outside a round lens always does, in a crop as well, because the
# lens is convex. A black lesion that is cut by a side does not, unless it covers a corner.
CORNER_LIGHTNESS = 30.0
CORNER_COLOUR = 15.0
# Steps of 2 cells by which a corner grows inward: half of the grid's 56 cells.
CORNER_STEPS = 14
# Cells around a corner that are left out as well: the rim of the lens is a gradient.
CORNER_RIM = 2

# Width of the ring of presumed skin along the border and the dark corners, in cells.
RING = 4
# Residual, in Lab units, at which a pixel of the ring loses most of its weight in the skin's fit.
SKIN_SPREAD = 7.0
# A residual towards dark counts this much more, squared, because lesions that touch the border are dark.
DARK_OUTLIER = 4.0
# Rounds of reweighting: 3 are enough where the border is skin, 6 help where a lesion covers much of it.
SKIN_ROUNDS = 6
# Pull of slope and curvature towards zero, relative to a ring that is spread over the image. Larger values
# leave vignettes in, smaller ones let the surface follow a lesion that touches the border.
SKIN_RIDGE = 0.0025


def widest(maps: Tensor, cells: int, beyond: float = float("-inf")) -> Tensor:
    """Maximum within `cells` cells in both directions; outside the image lies `beyond`.

    The same as ``F.max_pool2d(maps, 2 * cells + 1, 1, cells)``, but faster on a CPU, where this pooling was half of the
    detector's time: rows, then columns, each as the maximum of shifted views.
    """
    for dim in (-1, -2):
        around = (cells, cells, 0, 0) if dim == -1 else (0, 0, cells, cells)
        size, length = maps.shape[dim], 2 * cells + 1
        maps = F.pad(maps, around, value=beyond)
        # Windows of twice the length from two that touch, and at the end from two that overlap.
        reached = 1
        while reached < length:
            step = min(reached, length - reached)
            rest = maps.shape[dim] - step
            maps = torch.maximum(maps.narrow(dim, 0, rest), maps.narrow(dim, step, rest))
            reached += step
        maps = maps.narrow(dim, 0, size)
    return maps


def close_hairs(rgb: Tensor, cells: int) -> Tensor:
    """Closing of each channel, maximum then minimum: dark lines up to ``2 * cells`` wide take their surroundings.

    The same as ``kornia.morphology.closing`` with a square of ones, at a fraction of its cost.
    """
    return -widest(-widest(rgb, cells), cells)


def smooth(maps: Tensor, cells: int) -> Tensor:
    """Mean within `cells` cells in both directions, edges repeated."""
    return F.avg_pool2d(F.pad(maps, (cells,) * 4, mode="replicate"), 2 * cells + 1, 1)


def outside_corners(lab: Tensor) -> Tensor:
    """1 where the image shows skin or lesion, 0 in dark corners and their rim: [B,3,H,W] -> [B,1,H,W]."""
    is_dark = (lab[:, :1] < CORNER_LIGHTNESS) & (lab[:, 1:].square().sum(1, keepdim=True) < CORNER_COLOUR**2)
    dark = is_dark.to(lab.dtype)
    at = torch.arange(dark.shape[-1], device=lab.device)
    at_end = (at == 0) | (at == dark.shape[-1] - 1)
    corner = dark * (at_end & at_end.unsqueeze(1))
    if values_are_readable(corner) and not corner.any():  # most images have none
        return torch.ones_like(corner)
    for _ in range(CORNER_STEPS):
        corner = widest(corner, 2) * dark
    return 1 - widest(corner, CORNER_RIM)


def border_ring(valid: Tensor) -> Tensor:
    """1 in the cells of `valid` that are at most ``RING`` cells from the image's edge or from an invalid cell."""
    return valid * widest(1 - valid, RING, beyond=1.0)


def grid_coordinates(size: int, like: Tensor) -> Tensor:
    """Coordinates x and y of the cells of a square grid, from -1 to 1 across the image: [2, size * size]."""
    at = (torch.arange(size, device=like.device, dtype=like.dtype) * 2 + 1 - size) / size
    return torch.stack([at.expand(size, size), at.unsqueeze(1).expand(size, size)]).flatten(1)


def skin_colour(lab: Tensor, ring: Tensor, xy: Tensor) -> Tensor:
    """A quadratic surface for each of L*, a*, b*, fitted to the ring with outliers weighed down.

    Iteratively reweighted least squares with Geman and McClure's weights, 1 / (1 + e^2)^2.

    Args:
        lab: colours [B, 3, N].
        ring: weights [B, 1, N], 1 in the ring.
        xy: coordinates [2, N].

    Returns:
        The skin's colour in every cell [B, 3, N].
    """
    x, y = xy.unbind()
    # Without their mean over the frame, the squares are nearly uncorrelated with the constant.
    basis = torch.stack([torch.ones_like(x), x, y, x * x - 1 / 3, x * y, y * y - 1 / 3])
    pull = torch.diag(basis.new_tensor([1e-6, 1, 1, 2, 2, 2]) * basis.new_tensor([1, *[SKIN_RIDGE] * 5]))
    ring = ring + 1e-5  # so that something is left where a dark corner covers all
    weights = ring
    skin = lab
    for _ in range(SKIN_ROUNDS):
        weighted = basis * (weights / weights.sum(-1, keepdim=True))
        surface = torch.linalg.solve_ex(weighted @ basis.T + pull, weighted @ lab.transpose(1, 2))[0]
        skin = surface.transpose(1, 2) @ basis
        residual = lab - skin
        darker = (-residual[:, :1]).clamp(min=0)
        error = (residual.square().sum(1, keepdim=True) + DARK_OUTLIER * darker.square()) / SKIN_SPREAD**2
        weights = ring / (1 + error).square()
    return skin


def otsu_threshold(values: Tensor) -> tuple[Tensor, Tensor]:
    """Otsu's threshold of each row, from the sorted values instead of a histogram.

    Of all ways to cut a row in two, the one with the largest variance between the parts.

    Args:
        values: [..., N], N at least 2.

    Returns:
        The threshold, half way between the means of the two parts, and half their distance: [..., 1] each.
    """
    ordered = values.sort(-1).values
    count = ordered.shape[-1]
    sums = ordered.cumsum(-1)
    below = torch.arange(1, count, device=values.device, dtype=values.dtype)
    above = count - below
    low = sums[..., :-1] / below
    high = (sums[..., -1:] - sums[..., :-1]) / above
    best = (below * above * (high - low).square()).argmax(-1, keepdim=True)
    low, high = low.gather(-1, best), high.gather(-1, best)
    return (low + high) / 2, (high - low) / 2
