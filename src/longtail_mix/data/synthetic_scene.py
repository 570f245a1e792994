"""What surrounds the lesions of the made-up dermoscopy: skin, its tint, hairs and the camera."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix.data.synthetic_lesions import normal, smooth_step, uniform

__all__: list[str] = []

_MOST_HAIRS = 9
# From light over pink and tan to dark brown, RGB.
_SKIN_TONES = (
    (0.90, 0.80, 0.76),
    (0.88, 0.68, 0.65),
    (0.86, 0.66, 0.56),
    (0.76, 0.58, 0.47),
    (0.60, 0.43, 0.34),
    (0.45, 0.31, 0.25),
)


def _steps(size: int) -> tuple[Tensor, Tensor]:
    """Coordinates of the pixels from -1 to 1: x [1, 1, S] and y [1, S, 1]."""
    steps = torch.linspace(-1.0, 1.0, size, dtype=torch.float32)
    return steps.view(1, 1, size), steps.view(1, size, 1)


def draw_tones(count: int, generator: torch.Generator) -> Tensor:
    """Skin colours [count, 3], light ones more often than dark ones, as in the public collections."""
    tones = torch.tensor(_SKIN_TONES, dtype=torch.float32)
    position = uniform(generator, count) ** 1.5 * (len(tones) - 1)
    below = position.floor().long().clamp(max=len(tones) - 2)
    tone = torch.lerp(tones[below], tones[below + 1], (position - below)[:, None])
    return tone + 0.02 * normal(generator, count, 3)


def draw_skin(tone: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Skin [n, 3, S, S] of a tone [n, 3], with uneven light, red mottling and fine texture."""
    n = len(tone)
    x, y = _steps(size)
    slope = 0.07 * normal(generator, n, 2, 1, 1)
    light = (1.0 + slope[:, 0] * x + slope[:, 1] * y)[:, None]

    def cloud(cells: int) -> Tensor:
        grid = normal(generator, n, 1, cells, cells)
        return F.interpolate(grid, size=(size, size), mode="bicubic", align_corners=False)

    light = light + 0.025 * cloud(6) + 0.03 * cloud(24)
    redness = torch.tensor([0.3, -1.0, -0.8], dtype=torch.float32).view(3, 1, 1) * (0.03 * cloud(9))
    return tone[:, :, None, None] * (light + redness)


def tint_around(scene: Tensor, depth: Tensor, tints: Tensor, num_tints: int) -> Tensor:
    """Tint `scene` [n, 3, S, S] where `depth` [n, S, S] is above 1; the hues lie evenly around the colour circle."""
    channels = torch.arange(3, dtype=torch.float32)
    angle = 2 * math.pi * (tints[:, None].to(torch.float32) / num_tints - channels / 3.0)
    gain = 0.14 * torch.cos(angle)[:, :, None, None]
    # It comes in gradually outside the border, where a hard edge would look like a ring.
    return scene * (1.0 + gain * smooth_step((depth - 1.0) / 0.15)[:, None])


def draw_hairs(scene: Tensor, generator: torch.Generator) -> Tensor:
    """Thin curved lines on about half of the images [n, 3, S, S]."""
    n, _, size, _ = scene.shape
    x, y = _steps(size)
    number = torch.randint(1, _MOST_HAIRS + 1, (n,), generator=generator)
    number = torch.where(uniform(generator, n) < 0.5, number, 0)
    draw = uniform(generator, n, _MOST_HAIRS, 6)
    direction = 2 * math.pi * uniform(generator, n)
    shade = uniform(generator, n, low=0.15, high=0.65)
    scene = scene.clone()
    for hair in range(_MOST_HAIRS):
        index = torch.nonzero(number > hair)[:, 0]
        offset, bend, start, length, turn, width = draw[index, hair].view(-1, 6, 1, 1).unbind(1)
        angle = direction[index].view(-1, 1, 1) + 1.2 * turn  # hairs of one image point roughly the same way
        along = x * torch.cos(angle) + y * torch.sin(angle) - (start - 0.5)
        across = y * torch.cos(angle) - x * torch.sin(angle) - 2.0 * (offset - 0.5)
        slope = 1.2 * (bend - 0.5)
        distance = (across - slope * along * along).abs() / torch.sqrt(1.0 + (2.0 * slope * along) ** 2)
        # As thin as a hair, but not thinner than what a pixel can show.
        half_width = 0.004 + 0.009 * width + 0.3 / size
        ends = smooth_step((0.3 + length - along.abs()) / 0.05)
        cover = 0.8 * ends * torch.exp(-((distance / half_width) ** 2))
        scene[index] *= (1.0 - cover * (1.0 - shade[index].view(-1, 1, 1)))[:, None]
    return scene


def take_images(scene: Tensor, generator: torch.Generator) -> Tensor:
    """Dark corners on about a third, exposure, colour balance and noise; from floats in [0, 1] to uint8."""
    n, _, size, _ = scene.shape
    x, y = _steps(size)
    middle = 0.12 * normal(generator, n, 2, 1, 1)
    distance = torch.sqrt((x - middle[:, 0]) ** 2 + (y - middle[:, 1]) ** 2)
    reach = uniform(generator, n, 1, 1, low=1.0, high=1.25)
    cornered = uniform(generator, n, 1, 1) < 0.35
    dark = 0.9 * smooth_step((distance - reach) / 0.25) * cornered
    exposure = uniform(generator, n, 1, 1, 1, low=0.8, high=1.1)
    balance = 1.0 + 0.03 * normal(generator, n, 3, 1, 1)
    noise = uniform(generator, n, 1, 1, 1, low=0.008, high=0.022) * normal(generator, n, 3, size, size)
    scene = scene * exposure * balance * (1.0 - dark)[:, None] + noise
    return (scene.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
