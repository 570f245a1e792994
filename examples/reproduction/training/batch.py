"""What one training step is given, and how a learner says what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from longtail_mix.sampling import EpochSampler


class Stream(NamedTuple):
    """Images from one sampler, in one or more views."""

    views: tuple[Tensor, ...]  # each float [B, 3, S, S] in [0, 1]
    maps: tuple[Tensor, ...]  # what is carried through each view, [B, 1, S, S] in [0, 1]; empty where nothing is
    labels: Tensor  # int64 [B]


class Batch(NamedTuple):
    """What one process sees in one step; the rows of all processes together are the global batch."""

    labelled: Stream
    partners: Stream | None  # for methods that mix
    draws: tuple[Tensor, ...]  # this process's rows of what `Needs.draw` drew for the global batch


# From the labels [N], the number of classes and a seed; rank and world size are those of torch.distributed.
SamplerFactory = Callable[[Tensor, int, int], EpochSampler]

# From the size of the global batch and a generator on the device: any tensors with a row for each image.
Draw = Callable[[int, torch.Generator], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Needs:
    """What a learner wants in its batches.

    Whatever a method draws at random comes from `draw`: it is drawn for the global batch from the seed and the step,
    so that N processes see what one would and a training that was killed goes on to the same bits.
    """

    labelled: SamplerFactory
    partners: SamplerFactory | None = None
    views: int = 1
    maps: bool = False
    draw: Draw | None = None
