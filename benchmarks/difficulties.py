"""What makes finding a lesion hard: real images by name, and the same troubles painted on a made-up one."""

from __future__ import annotations

import math
import os
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix.data import (
    isic2018_masks,
    load_images,
    load_masks,
    read_isic2017,
    read_isic2018,
    squash,
    synthetic_dermoscopy,
)

__all__ = ["Difficulty", "made_up", "real"]

# Chosen by eye among images that a rough score put first for each trouble, not by what a detector makes of them.
# Those of ISIC 2018 are from the half on which nothing was tuned.
REAL = {
    "hairs": ("isic2018", "ISIC_0028821"),
    "ruler": ("isic2017", "ISIC_0011372"),
    "ink": ("isic2018", "ISIC_0030589"),
    "sticker": ("isic2017", "ISIC_0002885"),
    "dark corners": ("isic2018", "ISIC_0033745"),
    "touches the border": ("isic2018", "ISIC_0028634"),
    "fills the frame": ("isic2018", "ISIC_0025977"),
}


class Difficulty(NamedTuple):
    """An image that is hard for one reason."""

    name: str
    image: Tensor  # uint8 [3, S, S]
    mask: Tensor  # bool [1, S, S]


def real(size: int) -> list[Difficulty]:
    """The real images of REAL whose set is there."""
    found = []
    for name, (data, isic_name) in REAL.items():
        if not os.environ.get(f"{data.upper()}_ROOT"):
            continue
        if data == "isic2018":
            files = read_isic2018()
            paths, masks = files.paths, isic2018_masks(files)
        else:
            others = read_isic2017()
            paths, masks = others.paths, others.masks
        at = [path.stem for path in paths].index(isic_name)
        image = load_images(paths[at : at + 1], size, fit=squash)[0]
        found.append(Difficulty(f"{name}\n{isic_name}", image, load_masks(masks[at : at + 1], size, fit=squash)[0]))
    return found


def made_up(size: int, seed: int = 7) -> list[Difficulty]:
    """One made-up lesion, plain and in every trouble."""
    data = synthetic_dermoscopy([1], size=2 * size, seed=seed)
    large, outline = data.images[0].float() / 255, data.masks[0]
    image, mask = _window(large, outline, 0, 0, 2 * size, size)
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")

    def painted(colour: tuple[float, float, float], cover: Tensor) -> Tensor:
        return torch.lerp(image, torch.tensor(colour).view(3, 1, 1).expand_as(image), cover.clamp(0, 1))

    hairs = torch.zeros_like(x)
    for i in range(14):
        angle, offset, bend = 0.5 + 0.11 * (i % 5), -0.95 + 0.14 * i, 0.3 * math.sin(i)
        across = y * math.cos(angle) - x * math.sin(angle) - offset - bend * x * x
        hairs = torch.maximum(hairs, torch.exp(-((across / 0.012) ** 2)))
    ticks = ((x * 12).frac().abs() < 0.12) & (y > 0.8)
    ink = sum((((x - a) ** 2 + (y - b) ** 2) < 0.006).float() for a, b in ((-0.7, -0.6), (0.75, -0.4), (-0.2, 0.85)))
    assert isinstance(ink, Tensor)
    sticker = ((x - 0.8) ** 2 + (y - 0.3) ** 2 < 0.16).float()
    corners = 1 - 0.97 * ((x.square() + y.square()).sqrt() * 6 - 5.7).clamp(0, 1)
    side = int(outline[0].any(0).nonzero().float().mean())  # the lesion's middle, from the left
    return [
        Difficulty("plain", _bytes(image), mask),
        Difficulty("hairs", _bytes(painted((0.15, 0.1, 0.1), 0.9 * hairs)), mask),
        Difficulty("ruler", _bytes(painted((0.05, 0.05, 0.05), ticks.float())), mask),
        Difficulty("ink", _bytes(painted((0.35, 0.25, 0.65), ink)), mask),
        Difficulty("sticker", _bytes(painted((0.45, 0.75, 0.65), sticker)), mask),
        Difficulty("dark corners", _bytes(image * corners), mask),
        Difficulty("touches the border", *_whole(_window(large, outline, 0, side, 2 * size - side, size))),
        Difficulty("fills the frame", *_whole(_window(large, outline, *_inside(outline, 0.8), size))),
    ]


def _window(image: Tensor, mask: Tensor, top: int, left: int, extent: int, size: int) -> tuple[Tensor, Tensor]:
    """A square window of image and mask, resized to size x size."""
    rows, columns = slice(top, top + extent), slice(left, left + extent)
    some, part = image[:, rows, columns].unsqueeze(0), mask[:, rows, columns].unsqueeze(0).float()
    resized = F.interpolate(some, (size, size), mode="bilinear", antialias=True)[0]
    return resized, F.interpolate(part, (size, size), mode="bilinear", antialias=True)[0] >= 0.5


def _inside(mask: Tensor, share: float) -> tuple[int, int, int]:
    """Top, left and extent of a square of `share` of the lesion's extent around its middle."""
    rows, columns = mask[0].any(1).nonzero(), mask[0].any(0).nonzero()
    extent = int(share * min(rows.max() - rows.min(), columns.max() - columns.min()))
    return int(rows.float().mean()) - extent // 2, int(columns.float().mean()) - extent // 2, extent


def _whole(pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return _bytes(pair[0]), pair[1]


def _bytes(image: Tensor) -> Tensor:
    return (image.clamp(0, 1) * 255).round().to(torch.uint8)
