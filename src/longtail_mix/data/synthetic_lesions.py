"""The lesions of the made-up dermoscopy without their type: border, pigment, and where they lie in an image."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__: list[str] = []

_HARMONICS = 12  # of the border
MOST_SPOTS = 22  # that a type shows


class Lesions(NamedTuple):
    """What belongs to a lesion in whatever image it is shown, [L, ...]. Nothing here depends on the class."""

    radius: Tensor  # [L], of half an image's side
    border: Tensor  # [L, 2, harmonics], cosine and sine weights of the radius over the angle
    edge: Tensor  # [L, 2], opacity at the border, and depth at which the lesion is opaque
    pigment: Tensor  # [L, 3], colour as a share of the skin's
    waves: Tensor  # [L, 4, 3], two frequencies and a phase each: uneven pigment
    jitter: Tensor  # [L, spots, 3], spots moved in x and y, and their size
    strength: Tensor  # [L], how clearly the evidence shows

    def take(self, index: Tensor) -> Lesions:
        """The lesions at `index`, one for each entry."""
        return Lesions(*(values[index] for values in self))


def uniform(generator: torch.Generator, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Uniform float32, whatever the default dtype is."""
    return low + (high - low) * torch.rand(*shape, generator=generator, dtype=torch.float32)


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal float32, whatever the default dtype is."""
    return torch.randn(*shape, generator=generator, dtype=torch.float32)


def draw_lesions(count: int, generator: torch.Generator) -> Lesions:
    """Draw `count` lesions; what they have in common lies in the ranges."""
    fall = torch.arange(2, _HARMONICS + 2, dtype=torch.float32) ** -1.25
    light, dark = torch.tensor([[0.86, 0.69, 0.62], [0.50, 0.33, 0.29]], dtype=torch.float32)
    wobble = uniform(generator, count, 1, 1, low=0.1, high=0.3)
    edge = uniform(generator, count, low=0.25, high=0.8), uniform(generator, count, low=0.1, high=0.5)
    phase = uniform(generator, count, 4, 1, high=2 * math.pi)
    return Lesions(
        radius=uniform(generator, count, low=0.36, high=0.66),
        border=normal(generator, count, 2, _HARMONICS) * fall * wobble,
        edge=torch.stack(edge, dim=1),
        pigment=torch.lerp(light, dark, uniform(generator, count, 1)) + 0.035 * normal(generator, count, 3),
        waves=torch.cat([3.0 * normal(generator, count, 4, 2), phase], dim=2),
        jitter=uniform(generator, count, MOST_SPOTS, 3, low=-1.0, high=1.0),
        strength=uniform(generator, count, low=0.35, high=1.0),
    )


class Place(NamedTuple):
    """Where each pixel lies in a lesion, maps [n, S, S]."""

    depth: Tensor  # 0 at the middle of the lesion, 1 at its border
    x: Tensor  # the same in the lesion's own axes, stretched so that its border is the unit circle
    y: Tensor

    def take(self, index: Tensor) -> Place:
        """The images at `index`."""
        return Place(*(values[index] for values in self))


def place_lesions(lesions: Lesions, center: Tensor, angle: Tensor, zoom: Tensor, size: int) -> Place:
    """Lay one lesion [n] into each image: `center` [n, 2] in [-1, 1], `angle` [n] in radians, `zoom` [n]."""
    steps = (torch.arange(size, dtype=torch.float32) + 0.5) * (2.0 / size) - 1.0
    dx = steps.view(1, 1, size) - center[:, 0].view(-1, 1, 1)
    dy = steps.view(1, size, 1) - center[:, 1].view(-1, 1, 1)
    distance = torch.sqrt(dx * dx + dy * dy).clamp(min=1e-6)
    cos_turn, sin_turn = torch.cos(angle).view(-1, 1, 1), torch.sin(angle).view(-1, 1, 1)
    # Cosine and sine of the direction in the lesion's axes, and by the addition theorem of its multiples.
    cos1, sin1 = (dx * cos_turn + dy * sin_turn) / distance, (dy * cos_turn - dx * sin_turn) / distance
    cos, sin, wobble = cos1, sin1, torch.zeros_like(cos1)
    for k in range(_HARMONICS):
        cos, sin = cos * cos1 - sin * sin1, sin * cos1 + cos * sin1
        wobble += lesions.border[:, 0, k, None, None] * cos + lesions.border[:, 1, k, None, None] * sin
    # The limits keep a lesion from vanishing and from filling the image.
    border = (lesions.radius * zoom).view(-1, 1, 1) * (1.0 + wobble.clamp(-0.5, 0.5))
    depth = distance / border
    return Place(depth, depth * cos1, depth * sin1)


def smooth_step(value: Tensor) -> Tensor:
    """0 below 0, 1 above 1, and smooth in between."""
    value = value.clamp(0.0, 1.0)
    return value * value * (3.0 - 2.0 * value)
