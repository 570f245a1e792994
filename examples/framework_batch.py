"""What one training step of the SPMix framework is given, and how a method says what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from longtail_mix.sampling import ClassSampler, EpochSampler, ShuffledSampler, balanced_probabilities


class Stream(NamedTuple):
    """Images from one sampler, in one or two views."""

    views: tuple[Tensor, ...]  # each float [B, 3, S, S] in [0, 1]
    maps: tuple[Tensor, ...]  # saliency carried through each view, [B, 1, S, S]; empty where it is not needed
    labels: Tensor  # int64 [B]


class Batch(NamedTuple):
    """What one process sees in one step; the rows of all processes together are the global batch."""

    labelled: Stream  # its labels are kept: the tail side of the mix
    partners: Stream | None  # the other side, for methods that mix
    noise: tuple[Tensor, ...]  # uniform in [-1, 1), one [B, 2, S, S] for each view: labelled side, partners' side


# From the labels [N], the number of classes and a seed; rank and world size are those of torch.distributed.
SamplerFactory = Callable[[Tensor, int, int], EpochSampler]


@dataclass(frozen=True)
class Needs:
    """What a method wants in its batches."""

    labelled: SamplerFactory
    partners: SamplerFactory | None = None
    views: int = 1
    maps: bool = False


def natural(labels: Tensor, num_classes: int, seed: int) -> EpochSampler:  # noqa: ARG001  one call for all samplers
    """The images as they come, each once an epoch."""
    return ShuffledSampler(len(labels), seed)


def balanced(labels: Tensor, num_classes: int, seed: int) -> EpochSampler:
    """Every class equally often, as many draws an epoch as there are images."""
    counts = torch.bincount(labels, minlength=num_classes)
    return ClassSampler(labels, balanced_probabilities(counts), seed=seed)
