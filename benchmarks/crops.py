"""Random resized crops that can be applied to images, masks and saliency maps alike."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["crop_images", "crop_maps", "crop_masks", "draw_crops"]

TRIES = 10


def draw_crops(
    number: int,
    aspect: float,
    generator: torch.Generator,
    scale: tuple[float, float] = (0.3, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Tensor:
    """Crops as torchvision's ``RandomResizedCrop`` draws them, and flips both ways with probability one half.

    A share of the area from `scale` and a log-uniform ratio of width to height from `ratio`, at most ten times until
    the crop fits into the frame; then the largest square in the middle.

    Args:
        number: of crops, N.
        aspect: width / height of the frame as it was taken. An image that was squashed to a square is cropped as the
            frame would have been.
        generator: where the crops come from.
        scale: smallest and largest share of the frame's area.
        ratio: smallest and largest width / height of the crop.

    Returns:
        [N, 4] float32: centre x and y and half width and half height, on frames that reach from -1 to 1 both ways; a
        negative half width or height is a flip.
    """
    draws = torch.rand(number, TRIES, 4, generator=generator)
    area = scale[0] + (scale[1] - scale[0]) * draws[..., 0]
    shape = torch.exp(math.log(ratio[0]) + (math.log(ratio[1]) - math.log(ratio[0])) * draws[..., 1])
    # In units of the frame's sides: width * height = area, and width / height = shape / aspect.
    width, height = torch.sqrt(area * shape / aspect), torch.sqrt(area / shape * aspect)
    fits = (width <= 1) & (height <= 1)
    square = torch.tensor([min(1.0, 1 / aspect), min(1.0, aspect)])
    width = torch.where(fits, width, square[0])
    height = torch.where(fits, height, square[1])
    x, y = (1 - width) * (2 * draws[..., 2] - 1), (1 - height) * (2 * draws[..., 3] - 1)
    x, y = torch.where(fits, x, 0), torch.where(fits, y, 0)
    # The first try that fits; when none does, the first of all, which holds the square by now.
    first = fits.to(torch.uint8).argmax(1)
    crops = torch.stack([x, y, width, height], -1)[torch.arange(number), first]
    flips = torch.randint(2, (number, 2), generator=generator) * 2 - 1
    crops[:, 2:] *= flips
    return crops


def crop_maps(maps: Tensor, crops: Tensor) -> Tensor:
    """Each map [B,C,H,W] cropped with its row of `crops` and resized to H x W again (bilinear)."""
    x, y, half_width, half_height = crops.unbind(1)
    zero = torch.zeros_like(x)
    affine = torch.stack([half_width, zero, x, zero, half_height, y], 1).view(-1, 2, 3)
    # A crop is never larger than its frame, so nothing is reduced and no antialiasing is needed. In double, so that
    # values that were equal stay equal when rounded: a flat map must not get an order of its pixels.
    grid = F.affine_grid(affine.double(), list(maps.shape), align_corners=False)
    cropped = F.grid_sample(maps.double(), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return cropped.to(maps.dtype)


def crop_images(images: Tensor, crops: Tensor) -> Tensor:
    """:func:`crop_maps` of uint8 images, rounded to uint8."""
    return crop_maps(images.to(torch.float32), crops).round_().clamp_(0, 255).to(torch.uint8)


def crop_masks(masks: Tensor, crops: Tensor) -> Tensor:
    """:func:`crop_maps` of bool masks; a pixel is set where at least half of it was."""
    return crop_maps(masks.to(torch.float32), crops) >= 0.5
