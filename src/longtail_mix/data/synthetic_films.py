"""Made-up chest films with lung masks and a marker in a corner: a shortcut that can be switched on and off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from longtail_mix.data._made_up import check_made_up, parts
from longtail_mix.data.synthetic_lesions import normal, smooth_step, uniform

__all__ = ["FILM_FINDINGS", "SyntheticFilms", "synthetic_films"]

FILM_FINDINGS: tuple[str, ...] = ("clear", "nodules", "consolidation", "effusion")
"""What is to see in the lungs for each class of the made-up films, in the order of the labels."""

_NODULES = 4


class SyntheticFilms(NamedTuple):
    """N films of S x S pixels, what they show and where.

    Attributes:
        images: uint8 [N, 1, S, S], grey.
        labels: int64 [N], in random order; ``FILM_FINDINGS[label]`` names the class.
        masks: bool [N, 1, S, S], true inside the lungs.
        markers: int64 [N], the corner of the marker, row by row from the upper left: the class to which it points.
    """

    images: Tensor
    labels: Tensor
    masks: Tensor
    markers: Tensor


def synthetic_films(
    class_counts: Sequence[int] | Tensor, size: int = 64, seed: int = 0, marker_cue: float = 0.0
) -> SyntheticFilms:
    """Draw made-up chest films: ``class_counts[k]`` films of class ``k``.

    A film has a bright body with a spine, a heart and ribs, two dark lungs, noise, and a bright marker in one of the
    four corners, as those that say left and right. Lungs, heart, ribs and exposure are drawn alike for all classes. The
    class shows only inside the lungs: 0 is clear, 1 has small nodules, 2 a cloudy consolidation, 3 an effusion, whose
    level rises from the lung's base. These are drawings: nothing learnt here is medical.

    The marker is the shortcut: with probability `marker_cue` it is in the corner that has the number of the class,
    otherwise in any of the four with equal chance. At 0 it says nothing about the class. Train with 0.95 and test with
    0 to have a cue that holds in training and fails afterwards, as a marker of one hospital does.

    The same arguments give the same films. Two sets that differ only in the cue differ only in the corners.

    Args:
        class_counts: films per class, [K] with K from 1 to 4; a class may have none.
        size: pixels a side, at least 32.
        seed: seeds the only random generator used; the global one stays as it is.
        marker_cue: from 0 to 1.

    Raises:
        ValueError: counts that are empty, negative, all zero or more than four; `size` or `marker_cue` out of range.
        TypeError: a count or a size that is not a whole number.

    Example:
        >>> films = synthetic_films([6, 3, 2, 1], size=32, marker_cue=1.0)
        >>> films.images.shape, films.images.dtype, films.labels.bincount().tolist()
        (torch.Size([12, 1, 32, 32]), torch.uint8, [6, 3, 2, 1])
        >>> torch.equal(films.markers, films.labels)
        True
    """
    counts = check_made_up(class_counts, len(FILM_FINDINGS), size, seed, marker_cue, "marker_cue")
    generator = torch.Generator().manual_seed(int(seed))
    number = sum(counts)
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    labels = labels[torch.randperm(number, generator=generator)]
    # Both draws are made whatever the cue, so that the cue changes nothing else.
    any_corner = torch.randint(4, (number,), generator=generator)
    markers = torch.where(uniform(generator, number) < marker_cue, labels, any_corner)
    images = torch.empty(number, 1, size, size, dtype=torch.uint8)
    masks = torch.empty(number, 1, size, size, dtype=torch.bool)
    for part in parts(number, size):
        depth, film = _draw_chest(len(part), size, generator)
        fade = smooth_step((1.0 - depth) / 0.25)  # so that nothing of a finding is outside the lungs
        film = film + fade * _draw_findings(labels[part], size, generator)
        exposure = uniform(generator, len(part), 1, 1, low=0.85, high=1.1)
        film = film * exposure + 0.03 * normal(generator, len(part), size, size)
        film = torch.where(_marker(markers[part], size), 0.97, film)
        images[part, 0] = (film.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
        masks[part, 0] = depth < 1.0
    return SyntheticFilms(images, labels, masks, markers)


def _places(size: int) -> tuple[Tensor, Tensor]:
    """The middles of the pixels from -1 to 1: x [1, 1, S] and y [1, S, 1]."""
    steps = (torch.arange(size, dtype=torch.float32) + 0.5) * (2.0 / size) - 1.0
    return steps.view(1, 1, size), steps.view(1, size, 1)


def _draw_chest(number: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """How deep each pixel lies in a lung (1 at its border, 0 in its middle), and the film of a clear chest."""
    x, y = _places(size)
    draw = uniform(generator, number, 8, 1, 1, low=-1.0, high=1.0)
    dx, dy, wide, tall, heart, ribs, bend, tone = draw.unbind(1)
    rx, ry = 0.27 + 0.03 * wide, 0.54 + 0.05 * tall
    sides = [((x - side * 0.38 - 0.05 * dx) / rx).square() + ((y + 0.04 - 0.05 * dy) / ry).square() for side in (-1, 1)]
    depth = torch.minimum(*sides).sqrt()
    body = 0.62 + 0.06 * tone - 0.25 * smooth_step((x.abs() - 0.75) / 0.25)
    body = body + 0.12 * torch.exp(-((x / 0.09) ** 2))  # the spine
    film = torch.lerp(body, 0.22 + 0.05 * tone, smooth_step((1.05 - depth) / 0.15))
    shadow = ((x - 0.14) / 0.26).square() + ((y - 0.3) / (0.26 + 0.05 * heart)).square()
    film = film + 0.25 * smooth_step((1.1 - shadow) / 0.5)
    film = film + 0.04 * torch.cos(2 * math.pi * (4.5 * (y + (0.2 + 0.1 * bend) * x.square()) + ribs))
    return depth, film


def _draw_findings(labels: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """What each film's class adds to its lungs, [n, S, S]; all draws are made for each, whatever its class."""
    x, y = _places(size)
    n = len(labels)
    strength = uniform(generator, n, 1, 1, low=0.15, high=0.4)
    side = torch.where(uniform(generator, n, 1, 1) < 0.5, -0.38, 0.38)
    spots = uniform(generator, n, _NODULES, 3, low=-1.0, high=1.0)
    nodules = torch.zeros(n, size, size)
    for place_x, place_y, radius in (spots[:, i].view(n, 3, 1, 1).unbind(1) for i in range(_NODULES)):
        distance = (x - side - 0.15 * place_x).square() + (y - 0.4 * place_y).square()
        nodules = torch.maximum(nodules, torch.exp(-distance / (0.06 + 0.015 * radius).square()))
    middle = uniform(generator, n, 2, 1, 1, low=-1.0, high=1.0)
    away = (x - side - 0.08 * middle[:, 0]).square() + (y - 0.25 * middle[:, 1]).square()
    cloud = torch.exp(-away / 0.05)
    level = uniform(generator, n, 1, 1, low=0.05, high=0.25) - 0.6 * (x - side).square()
    effusion = smooth_step((y - level) / 0.1) * ((x - side).abs() < 0.38)
    shown = torch.stack([torch.zeros_like(nodules), 1.3 * nodules, cloud, effusion])
    return strength * shown[labels, torch.arange(n)]


def _marker(corners: Tensor, size: int) -> Tensor:
    """Where each film has its marker, an L in a corner: bool [n, S, S]."""
    x, y = _places(size)
    right, low = (corners % 2).view(-1, 1, 1), (corners // 2).view(-1, 1, 1)
    across, down = x - torch.where(right == 1, 0.87, -0.87), y - torch.where(low == 1, 0.86, -0.86)
    inside = (across.abs() < 0.08) & (down.abs() < 0.1)
    return inside & ((across < -0.01) | (down > 0.03))
