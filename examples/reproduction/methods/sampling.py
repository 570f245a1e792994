"""Which images a stream shows, and how often: a power of the class's frequency, or some classes only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from longtail_mix import many_medium_few
from longtail_mix.sampling import ClassSampler, EpochSampler, ShuffledSampler, class_probabilities


class Sampling(ABC):
    """A sampler factory by its options."""

    @abstractmethod
    def __call__(self, labels: Tensor, num_classes: int, seed: int) -> EpochSampler:
        """The sampler, with as many draws an epoch as there are images."""

    @abstractmethod
    def counts(self, class_counts: Sequence[int]) -> tuple[int, ...]:
        """Images of each class that a long stream shows, in parts of a million; what a prior has to be told."""


@dataclass(frozen=True)
class Natural(Sampling):
    """The images as they come, each once an epoch."""

    def __call__(self, labels: Tensor, num_classes: int, seed: int) -> EpochSampler:  # noqa: ARG002  a factory's form
        """A new order each epoch."""
        return ShuffledSampler(len(labels), seed)

    def counts(self, class_counts: Sequence[int]) -> tuple[int, ...]:
        """Those of the data."""
        return tuple(class_counts)


@dataclass(frozen=True)
class ByClass(Sampling):
    """First a class, with a probability proportional to a power of its count, then one of its images.

    Args:
        power: 1 natural, 0.5 square root, 0 class-balanced, -1 the rarer the likelier.
    """

    power: float = 0.0

    def __call__(self, labels: Tensor, num_classes: int, seed: int) -> EpochSampler:
        """Draws with replacement between epochs, without within a class's deck."""
        counts = torch.bincount(labels, minlength=num_classes)
        sampler = ClassSampler(labels, class_probabilities(counts, self.power), seed=seed)
        sampler.warns = False  # losses that correct frequencies get those that are drawn, from `counts`
        return sampler

    def counts(self, class_counts: Sequence[int]) -> tuple[int, ...]:
        """A million times the probabilities."""
        return tuple((class_probabilities(class_counts, self.power) * 1e6).round().clamp(min=1).long().tolist())


@dataclass(frozen=True)
class Heads(Sampling):
    """The images of the many and medium classes as they come, none of the few.

    As the partners' stream it pairs as ``HeadTailPairing`` does within a batch, and no tail image is left without one.
    """

    def __call__(self, labels: Tensor, num_classes: int, seed: int) -> EpochSampler:
        """Each head image equally likely."""
        counts = torch.tensor(self.counts(torch.bincount(labels, minlength=num_classes).tolist()))
        return ClassSampler(labels, class_probabilities(counts, 1), seed=seed)

    def counts(self, class_counts: Sequence[int]) -> tuple[int, ...]:
        """Those of the data, 0 for the few."""
        few = many_medium_few(class_counts).few
        return tuple(0 if label in few else count for label, count in enumerate(class_counts))
