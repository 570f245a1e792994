"""Boolean map saliency (Zhang & Sclaroff 2013), all thresholds at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix._checks import check_normalisation
from longtail_mix._images import as_bytes
from longtail_mix._module import Module
from longtail_mix._precision import without_autocast

__all__ = ["BooleanMapSaliency", "boolean_map_saliency"]

GRID = 64  # pixels a side at which regions are found
OPENING = 3  # pixels a side: regions that no such square fits into are dropped, as hairs are
SWEEPS = 4  # each goes left, right, up and down


@torch.no_grad()
def boolean_map_saliency(
    images: Tensor, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
) -> Tensor:
    """How often a pixel lies in a region that does not touch the border, over all thresholds of all channels.

    Zhang & Sclaroff (2013) cut each channel of a Lab image at many thresholds, open both the boolean map and its
    complement, drop the regions that are connected with the border, and average what is left: the figure is what is
    surrounded. For one channel ``c`` and the sum over every threshold this needs no boolean map. A pixel is connected
    with the border above all thresholds up to the largest minimum along any path there, which is the morphological
    reconstruction of ``c`` from its border (Vincent 1993); and opening commutes with thresholds. So, in plain PyTorch::

        def surrounded(c):                       # the sum over thresholds t of the regions of {c > t}
            c = opening_3x3(c)
            return c - reconstruct_from_border(c)
        saliency = sum(surrounded(c) + surrounded(-c) for c in lab)

    stretched to [0, 1] per image. The paper's normalisation of each boolean map and its blur serve to predict where
    people look and are left out, as in its experiments on salient objects; regions are 4-connected. The
    reconstruction sweeps 4 times in all four directions, which reaches every pixel whose way to the border has few
    turns: on dermoscopy the map is within 1e-4 of the exact one on average. On mazes some regions count as surrounded
    that are not.

    Args:
        images: RGB images [B, 3, H, W]; uint8, or floating point in [0, 1], or normalised with `mean` and `std`.
            Regions are found on 64 x 64 pixels (bilinear, antialiased), and the map is resized back (bilinear).
        mean: per-channel mean the images were normalised with, three numbers.
        std: per-channel standard deviation the images were normalised with, three positive numbers.

    Returns:
        Maps [B, 1, H, W], float32 in [0, 1], without gradient. Images in which nothing is surrounded give zeros; so
        do lesions that touch the border on the part that does.

    Raises:
        TypeError, ValueError: as :func:`~longtail_mix.functional.saliency_map`.

    Example:
        >>> images = torch.full((1, 3, 64, 64), 200, dtype=torch.uint8)
        >>> images[:, :, 24:40, 24:40] = 60              # surrounded
        >>> images[:, :, :8, :8] = 60                    # in the corner
        >>> saliency = boolean_map_saliency(images)
        >>> saliency[0, 0, 32, 32], saliency[0, 0, 4, 4]
        (tensor(1.), tensor(0.))
    """
    from kornia.color import rgb_to_lab

    image_bytes, is_finite = as_bytes(images, mean, std)
    unit = image_bytes.to(torch.float32) / 255
    small = F.interpolate(unit, (GRID, GRID), mode="bilinear", antialias=True)
    with without_autocast(images):  # half precision is too coarse for thresholds
        channels = rgb_to_lab(small)
    opened = _opening(torch.cat([channels, -channels], 1))
    surrounded = (opened - reconstruct_from_border(opened, SWEEPS)).sum(1, keepdim=True)
    low, high = surrounded.amin((2, 3), keepdim=True), surrounded.amax((2, 3), keepdim=True)
    # Lab of equal bytes differs by rounding; a step of one byte is a hundred times as large.
    has_figure = high - low > 1e-3
    saliency = torch.where(has_figure, (surrounded - low) / torch.where(has_figure, high - low, 1), 0)
    full = F.interpolate(saliency, images.shape[-2:], mode="bilinear").clamp(0, 1)
    return torch.where(is_finite.unsqueeze(1), full, torch.nan)


def _opening(maps: Tensor) -> Tensor:
    """Grey opening by a square: what is brighter and narrower vanishes. Its border sees no pixel outside."""
    eroded = -F.max_pool2d(-maps, OPENING, 1, OPENING // 2)
    return F.max_pool2d(eroded, OPENING, 1, OPENING // 2)


def reconstruct_from_border(maps: Tensor, sweeps: int) -> Tensor:
    """The largest minimum of `maps` [..., H, W] along any way to the border, found in `sweeps` sweeps.

    Each sweep carries values along whole rows and columns, so that what it takes are as many sweeps as a way has
    turns. Before the last one the result is a lower bound.
    """
    height, width = maps.shape[-2:]
    inside = maps.new_zeros((height, width), dtype=torch.bool)
    inside[1:-1, 1:-1] = True
    reached = torch.where(inside, maps.amin((-2, -1), keepdim=True), maps)
    for _ in range(sweeps):
        reached = _carry(maps, reached, -1)
        reached = _carry(maps.flip(-1), reached.flip(-1), -1).flip(-1)
        reached = _carry(maps, reached, -2)
        reached = _carry(maps.flip(-2), reached.flip(-2), -2).flip(-2)
    return reached


def _carry(ceiling: Tensor, start: Tensor, dim: int) -> Tensor:
    """``r[i] = min(ceiling[i], max(start[i], r[i - 1]))`` along `dim`, in log2(size) steps instead of size.

    One step is the function ``v -> min(high, max(low, v))`` of the value before it, and two such functions in a row
    are one again.
    """
    high, low = ceiling, torch.minimum(ceiling, start)
    size = ceiling.shape[dim]
    shift = 1
    while shift < size:
        ahead = _slice(high, dim, shift, size), _slice(low, dim, shift, size)
        behind = _slice(high, dim, 0, size - shift), _slice(low, dim, 0, size - shift)
        new_high = torch.minimum(ahead[0], torch.maximum(ahead[1], behind[0]))
        new_low = torch.minimum(ahead[0], torch.maximum(ahead[1], behind[1]))
        high = torch.cat([_slice(high, dim, 0, shift), new_high], dim)
        low = torch.cat([_slice(low, dim, 0, shift), new_low], dim)
        shift *= 2
    return low


def _slice(maps: Tensor, dim: int, start: int, stop: int) -> Tensor:
    """``maps[start:stop]`` along `dim`."""
    return maps.narrow(dim, start, stop - start)


class BooleanMapSaliency(Module):
    """Boolean map saliency as a module: :func:`boolean_map_saliency` with the normalisation stored.

    Args:
        mean: per-channel mean of the normalised images, or None for uint8 and [0, 1] images.
        std: per-channel standard deviation of the normalised images, or None.

    Shape:
        images [B, 3, H, W] -> [B, 1, H, W], float32 in [0, 1], without gradient.

    Example:
        >>> BooleanMapSaliency()(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 1, 32, 32])
    """

    def __init__(self, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> None:
        super().__init__()
        self.mean, self.std = check_normalisation(mean, std)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [B, 3, H, W] to saliency [B, 1, H, W]."""
        return boolean_map_saliency(images, self.mean, self.std)

    def extra_repr(self) -> str:
        """Show the stored normalisation."""
        return f"mean={self.mean}, std={self.std}"
