"""Test images on other skin: the lesion kept by its ground-truth mask, the surroundings of another image around it."""

from __future__ import annotations

from dataclasses import replace

import torch
from kornia.color import rgb_to_lab
from kornia.filters import box_blur, gaussian_blur2d
from kornia.morphology import closing, dilation
from torch import Tensor

from longtail_mix.functional import fill_in
from reproduction.data.task import Images


def on_other_skin(side: Images, number: int, batch_size: int = 256) -> Images:
    """Every image with its lesion, soft at the edge, on the skin of another image whose lesion is filled in.

    ``a own + (1 - a) filled(other)``, with a the mask widened a little and blurred.

    Args:
        side: with masks.
        number: which swap: the other image of row i is that of row i of permutation `number`, where it shows the same
            lesion the next one that does not.
        batch_size: images at a time.

    Raises:
        ValueError: no masks.
    """
    if side.masks is None:
        raise ValueError("masks: expected images with ground-truth masks (--data.with-masks), got none")
    partner = other_rows(side.groups, number)
    parts = []
    for rows in torch.arange(len(side)).split(batch_size):
        own, other = side.images[rows] / 255, side.images[partner[rows]] / 255
        keep = soft(side.masks[rows].float())
        skin = fill_in(other, 1 - widened(side.masks[partner[rows]].float(), 1 / 16))
        parts.append((keep * own + (1 - keep) * skin).mul(255).round().to(torch.uint8))
    return replace(side, images=torch.cat(parts))


def other_rows(groups: tuple[str, ...], number: int) -> Tensor:
    """For each row another one, of another group."""
    order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(number))
    partner = order.tolist()
    for row, group in enumerate(groups):
        at = row
        while groups[order[at]] == group:
            at = (at + 1) % len(groups)
            if at == row:
                raise ValueError(f"groups: expected two or more, got {group!r} alone")
        partner[row] = int(order[at])
    return torch.tensor(partner)


def widened(mask: Tensor, share: float) -> Tensor:
    """Masks [B, 1, S, S] grown by a share of the side."""
    reach = round(share * mask.shape[-1])
    return dilation(mask, torch.ones(2 * reach + 1, 2 * reach + 1)) if reach else mask


def soft(mask: Tensor) -> Tensor:
    """1 on the lesion, falling to 0 over a twentieth of the side."""
    sigma = mask.shape[-1] / 64
    width = 2 * int(3 * sigma) + 1
    return torch.maximum(mask, gaussian_blur2d(widened(mask, 1 / 42), (width, width), (sigma, sigma)))


def skin_tone(images: Tensor) -> Tensor:
    """Individual typology angle of the border ring in degrees, [B]: the larger, the lighter the skin.

    ``ITA = arctan((L - 50) / b)`` of the median L and b of CIE Lab over the outermost eighth of the frame.
    """
    size = images.shape[-1]
    ring = torch.ones(size, size, dtype=torch.bool)
    ring[size // 8 : -size // 8, size // 8 : -size // 8] = False
    lab = rgb_to_lab(images / 255)[:, :, ring].median(-1).values
    return torch.rad2deg(torch.atan2(lab[:, 0] - 50, lab[:, 2]))


def hairiness(images: Tensor) -> Tensor:
    """Share of pixels that are dark and thin, [B]: what a closing by a twentieth of the side brightens by a tenth."""
    grey = (images / 255).mean(1, keepdim=True)
    width = 2 * (images.shape[-1] // 40) + 3
    bottom_hat = closing(grey, torch.ones(width, width)) - grey
    return (bottom_hat > 0.1).float().mean((1, 2, 3))


def inkiness(images: Tensor) -> Tensor:
    """Share of pixels that are more blue than red after a little blur, [B]: skin markers, rulers and some plasters."""
    smooth = box_blur(images / 255, (3, 3))
    return (smooth[:, 2] > smooth[:, 0] + 0.05).float().mean((1, 2))
