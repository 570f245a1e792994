"""RandAugment (Cubuk et al. 2020) in two parts: its geometry as matrices, its colours as changes of a batch.

The fourteen operations and their ranges are those of torchvision's RandAugment. Which ones an image gets is drawn
elsewhere: here are `operation`, int64 [B, K], a number below NUM_OPERATIONS, and `strength` [B, K] in [-1, 1], the
magnitude as a share of the largest, with the sign.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import torch
from kornia.enhance import (
    adjust_brightness_accumulative,
    adjust_contrast_with_mean_subtraction,
    adjust_saturation_with_gray_subtraction,
    equalize,
    normalize_min_max,
    posterize,
    sharpness,
    solarize,
)
from torch import Tensor

IDENTITY, SHEAR_X, SHEAR_Y, TRANSLATE_X, TRANSLATE_Y, ROTATE, FIRST_COLOUR = range(7)
BRIGHTNESS, COLOR, CONTRAST = range(FIRST_COLOUR, FIRST_COLOUR + 3)  # as in COLOURS

# What a strength of 1 is.
MOST_DEGREES = 30.0
MOST_SHIFT = 2 * 150 / 331  # in coordinates from -1 to 1: the paper moves an image of 331 pixels by at most 150
MOST_COLOUR = 0.9  # brightness, colour, contrast and sharpness are multiplied by 0.1 to 1.9


def geometry_of(operation: Tensor, strength: Tensor) -> Tensor:
    """Where each point of an image comes from, [B] -> [B, 3, 3], in coordinates from -1 to 1; all about the centre."""

    def amount(of: int, most: float) -> Tensor:
        return torch.where(operation == of, most * strength, 0.0)

    angle = amount(ROTATE, MOST_DEGREES / 180 * pi)  # against the clock, as a viewer sees it
    shear_x, shear_y = amount(SHEAR_X, 0.3), amount(SHEAR_Y, 0.3)
    translate_x, translate_y = amount(TRANSLATE_X, MOST_SHIFT), amount(TRANSLATE_Y, MOST_SHIFT)
    nothing, one = torch.zeros_like(angle), torch.ones_like(angle)
    # Only one of the amounts is not zero, so their order does not matter.
    rows = (
        torch.stack([angle.cos(), shear_x - angle.sin(), -translate_x], -1),
        torch.stack([shear_y + angle.sin(), angle.cos(), -translate_y], -1),
        torch.stack([nothing, nothing, one], -1),
    )
    return torch.stack(rows, -2)


def brightness(images: Tensor, strength: Tensor) -> Tensor:
    return adjust_brightness_accumulative(images, 1 + MOST_COLOUR * strength)


def color(images: Tensor, strength: Tensor) -> Tensor:
    return adjust_saturation_with_gray_subtraction(images, 1 + MOST_COLOUR * strength)


def contrast(images: Tensor, strength: Tensor) -> Tensor:
    return adjust_contrast_with_mean_subtraction(images, 1 + MOST_COLOUR * strength)


def sharpened(images: Tensor, strength: Tensor) -> Tensor:
    return sharpness(images, 1 + MOST_COLOUR * strength)


def posterized(images: Tensor, strength: Tensor) -> Tensor:
    return posterize(images, 8 - (4 * strength.abs()).round().int())


def solarized(images: Tensor, strength: Tensor) -> Tensor:
    return solarize(images, 1 - strength.abs())


def autocontrast(images: Tensor, strength: Tensor) -> Tensor:  # noqa: ARG001  one call for all
    reach = images.amax((-2, -1), keepdim=True) - images.amin((-2, -1), keepdim=True)
    return torch.where(reach < 1 / 255, images, normalize_min_max(images))  # nothing to stretch in a flat channel


def equalized(images: Tensor, strength: Tensor) -> Tensor:  # noqa: ARG001  one call for all
    return equalize(images)


Colour = Callable[[Tensor, Tensor], Tensor]  # images float [B, 3, H, W] in [0, 1], strength [B] -> images
COLOURS: tuple[Colour, ...] = (
    brightness,
    color,
    contrast,
    sharpened,
    posterized,
    solarized,
    autocontrast,
    equalized,
)
NUM_OPERATIONS = FIRST_COLOUR + len(COLOURS)


def change_colours(images: Tensor, operation: Tensor, strength: Tensor) -> None:
    """Give each image its colour operations in the order drawn, in place; each runs on its own images only.

    Args:
        images: float [B, 3, H, W] in [0, 1], on any device.
        operation: int64 [B, K], on the CPU, so that nobody waits for a device to hear whose turn it is.
        strength: [B, K], on the CPU.
    """
    rows, slots = (operation >= FIRST_COLOUR).nonzero(as_tuple=True)
    turns = slots * NUM_OPERATIONS + operation[rows, slots]
    turns, order = turns.sort(stable=True)
    rows, slots = rows[order], slots[order]
    turn, counts = turns.unique_consecutive(return_counts=True)
    sizes = counts.tolist()
    strengths = strength[rows, slots].to(images.device, images.dtype, non_blocking=True).split(sizes)
    whose = rows.to(images.device, non_blocking=True).split(sizes)
    for number, these, strong in zip(turn.tolist(), whose, strengths, strict=True):
        colour = COLOURS[number % NUM_OPERATIONS - FIRST_COLOUR]
        images[these] = colour(images[these], strong)
