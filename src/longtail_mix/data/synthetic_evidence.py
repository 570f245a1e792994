"""The evidence by which the lesion types of the made-up dermoscopy differ, painted strictly inside the border."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from longtail_mix.data.synthetic_lesions import MOST_SPOTS, Lesions, Place, smooth_step

__all__ = ["LESION_TYPES"]


def _spots(lesions: Lesions, place: Place, count: int, radius: float, spread: float) -> Tensor:
    """Round spots spread over the lesion like the seeds of a sunflower, each a little out of its place."""
    shown = torch.zeros_like(place.x)
    for i in range(count):
        distance, turn = spread * math.sqrt((i + 0.5) / count), 2.39996 * i
        move_x, move_y, grow = (lesions.jitter[:, i] * 0.55).view(-1, 3, 1, 1).unbind(1)
        dx = place.x - distance * math.cos(turn) - move_x * spread / math.sqrt(count)
        dy = place.y - distance * math.sin(turn) - move_y * spread / math.sqrt(count)
        reach = torch.sqrt(dx * dx + dy * dy) / (radius * (1.0 + grow))
        shown = torch.maximum(shown, (1.6 * (1.0 - reach) + 0.4).clamp(0.0, 1.0))
    return shown


def _patch(lesions: Lesions, place: Place, offset: float, radius: float, softness: float) -> Tensor:
    """One area without structure, its outline wavy."""
    move_x, move_y, grow = lesions.jitter[:, 0].view(-1, 3, 1, 1).unbind(1)
    dx, dy = place.x - offset - 0.12 * move_x, place.y - 0.12 * move_y
    phase = math.pi * lesions.jitter[:, 1].view(-1, 3, 1, 1)
    turn = torch.atan2(dy, dx)
    wavy = 0.12 * torch.sin(2.0 * turn + phase[:, 0]) + 0.1 * torch.sin(3.0 * turn + phase[:, 1])
    wavy = wavy + 0.07 * torch.sin(7.0 * turn + phase[:, 2])
    reach = torch.sqrt(dx * dx + dy * dy) * (1.0 + wavy)
    return smooth_step((radius * (1.0 + 0.25 * grow) - reach) / softness + 0.5)


def _network(lesions: Lesions, place: Place) -> Tensor:
    phase = math.pi * lesions.jitter[:, 0].view(-1, 3, 1, 1)
    frequency = math.pi * (2.7 + 0.4 * lesions.jitter[:, 1, :1, None])
    across = torch.sin(frequency * (place.x + 0.07 * torch.sin(5.0 * place.y + phase[:, 0])) + phase[:, 1])
    along = torch.sin(frequency * (place.y + 0.07 * torch.sin(5.0 * place.x + phase[:, 1])) + phase[:, 2])
    return ((0.62 - torch.minimum(across.abs(), along.abs())) / 0.4).clamp(0.0, 1.0)


def _globules(lesions: Lesions, place: Place) -> Tensor:
    return _spots(lesions, place, count=MOST_SPOTS, radius=0.1, spread=0.85)


def _blotch(lesions: Lesions, place: Place) -> Tensor:
    return _patch(lesions, place, offset=0.38, radius=0.42, softness=0.25)


def _veil(lesions: Lesions, place: Place) -> Tensor:
    return 0.8 * _patch(lesions, place, offset=-0.2, radius=0.6, softness=0.5)


def _milia(lesions: Lesions, place: Place) -> Tensor:
    return _spots(lesions, place, count=12, radius=0.1, spread=0.8)


def _scar(lesions: Lesions, place: Place) -> Tensor:
    return _patch(lesions, place, offset=0.0, radius=0.38, softness=0.35)


def _lacunae(lesions: Lesions, place: Place) -> Tensor:
    return _spots(lesions, place, count=7, radius=0.24, spread=0.7)


class _Evidence(NamedTuple):
    name: str
    shown: Callable[[Lesions, Place], Tensor]  # how much of it at each pixel, [n, S, S] in [0, 1]
    pigment_share: float  # its colour is this share of the lesion's own pigment,
    color: tuple[float, float, float]  # plus this, RGB


_EVIDENCE = (
    _Evidence("pigment network", _network, 0.38, (0.0, 0.0, 0.0)),
    _Evidence("white scar-like patch", _scar, 0.25, (0.68, 0.63, 0.62)),
    _Evidence("red lacunae", _lacunae, 0.2, (0.45, 0.02, 0.12)),
    _Evidence("blue-white veil", _veil, 0.25, (0.28, 0.36, 0.50)),
    _Evidence("milia-like cysts", _milia, 0.25, (0.70, 0.65, 0.50)),
    _Evidence("eccentric blotch", _blotch, 0.25, (0.04, 0.02, 0.03)),
    _Evidence("globules", _globules, 0.38, (0.0, 0.0, 0.0)),
)

LESION_TYPES: tuple[str, ...] = tuple(evidence.name for evidence in _EVIDENCE)
"""The structure that tells each class of the made-up dermoscopy, in the order of the labels."""


def paint_lesions(skin: Tensor, lesions: Lesions, place: Place, labels: Tensor) -> Tensor:
    """Lesions of the classes `labels` [n] on skin [n, 3, S, S]: nothing changes where the depth is 1 or more."""
    edge, reach = lesions.edge.view(-1, 2, 1, 1).unbind(1)
    opacity = (edge + (1.0 - edge) * smooth_step((1.0 - place.depth) / reach)) * (place.depth < 1.0)
    uneven = torch.zeros_like(place.x)
    for wave in lesions.waves[..., None, None].unbind(1):
        fx, fy, phase = wave.unbind(1)
        uneven += torch.sin(fx * place.x + fy * place.y + phase)
    pigment = skin * lesions.pigment[:, :, None, None] * (1.0 + 0.07 * uneven)[:, None]
    # The evidence fades before the border, so that no resampling carries it out of the lesion.
    fade = lesions.strength.view(-1, 1, 1) * smooth_step((0.97 - place.depth) / 0.2)
    for label, evidence in enumerate(_EVIDENCE):
        chosen = torch.nonzero(labels == label)[:, 0]
        if len(chosen):
            shown = evidence.shown(lesions.take(chosen), place.take(chosen)) * fade[chosen]
            added = torch.tensor(evidence.color, dtype=torch.float32).view(3, 1, 1)
            color = evidence.pigment_share * pigment[chosen] + added
            pigment[chosen] = torch.lerp(pigment[chosen], color, shown[:, None])
    return torch.lerp(skin, pigment, opacity[:, None])
