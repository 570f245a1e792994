"""The arguments that all made-up sets have: checked alike, and made in parts that fit in memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from longtail_mix._checks import check_class_counts, check_number, check_whole

_SMALLEST, _LARGEST = 32, 2**12  # below that the fine structures cannot be seen
_MOST_IMAGES = 2**17  # more do not fit in memory at once
_PIXELS_AT_ONCE = 2**20  # bounds the memory: a part needs about 150 bytes a pixel


def check_made_up(
    class_counts: Sequence[int] | Tensor, most_classes: int, size: int, seed: int, cue: float, cue_name: str
) -> tuple[int, ...]:
    """The counts, where all arguments are in range."""
    counts = check_class_counts(class_counts)
    if len(counts) > most_classes:
        raise ValueError(f"class_counts: expected at most {most_classes} classes, got {len(counts)}")
    if sum(counts) > _MOST_IMAGES:
        raise ValueError(f"class_counts: expected at most {_MOST_IMAGES} images in all, got {sum(counts)}")
    check_whole(size, "size", _SMALLEST, _LARGEST)
    check_whole(seed, "seed", -(2**63))
    check_number(cue, cue_name)
    if not 0.0 <= cue <= 1.0:
        raise ValueError(f"{cue_name}: expected a probability from 0 to 1, got {cue}")
    return counts


def parts(number: int, size: int) -> tuple[Tensor, ...]:
    """The images in their order, as many at once as memory should hold."""
    return torch.split(torch.arange(number), max(1, _PIXELS_AT_ONCE // size**2))
