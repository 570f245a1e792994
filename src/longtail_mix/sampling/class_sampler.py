"""Draw images by class: first a class with the probability given, then one of its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from longtail_mix._balancing import warn_where_both_do
from longtail_mix._checks import MOST_CLASSES, as_labels, as_numbers
from longtail_mix.sampling.epochs import EpochSampler
from longtail_mix.sampling.probabilities import balanced_probabilities

__all__ = ["ClassSampler"]


class ClassSampler(EpochSampler):
    """Rows of a data set whose classes come with the probabilities given.

    One draw in plain PyTorch::

        label = torch.multinomial(probabilities, 1)
        row = next(deck[label])    # the images of that class, shuffled; shuffled again when all have been dealt

    The classes of the draws are independent. Within a class nothing comes twice before everything came once, counted
    over all ranks of an epoch: two images of a class are drawn equally often, give or take one, and a class that is
    drawn less often than it has images has none on two ranks. A rare class has to repeat its images, and then ranks
    may get the same one.

    Drawing from it warns where a :class:`~longtail_mix.BalancedSoftmaxLoss` or
    :class:`~longtail_mix.LogitAdjustmentLoss` corrects the class counts of its labels and it draws the classes (nearly)
    evenly: the frequencies would be corrected twice.

    Args:
        labels: class of each image [N], integers in a tensor, an array or a list: see
            :func:`~longtail_mix.sampling.dataset_labels`.
        probabilities: of each class [K], at least 0, sum 1, as :func:`~longtail_mix.sampling.balanced_probabilities`
            and its like give; or a callable that gives them for an epoch, as
            :class:`~longtail_mix.sampling.ProgressiveProbabilities`.
        num_samples: draws of an epoch over all ranks. Default: as many as there are images.
        seed: another seed gives other epochs.
        rank: see :class:`~longtail_mix.sampling.EpochSampler`.
        num_replicas: likewise.

    Attributes:
        warns: whether it does. False in a :class:`~longtail_mix.sampling.TwoStreamLoader`, whose other stream may show
            the images as they come; set it to False where you have such a stream of your own.

    Raises:
        TypeError, ValueError: labels that are not integers [N] from 0 to K - 1; probabilities that are not such; a
            class that is to be drawn and has no images (so the counts behind the probabilities are not those of the
            labels); and as :class:`~longtail_mix.sampling.EpochSampler`. Those of a callable are checked at each epoch.

    Example:
        >>> from longtail_mix.sampling import balanced_probabilities
        >>> labels = torch.tensor([0] * 90 + [1] * 10)
        >>> sampler = ClassSampler(labels, balanced_probabilities(labels.bincount()), num_samples=10_000)
        >>> drawn = labels[sampler.rows()].bincount()
        >>> (drawn - 5000).abs() < 150  # 3 sigma
        tensor([True, True])
    """

    def __init__(
        self,
        labels: Tensor | Sequence[int] | Any,
        probabilities: Sequence[float] | Tensor | Callable[[int], Tensor],
        num_samples: int | None = None,
        seed: int = 0,
        rank: int | None = None,
        num_replicas: int | None = None,
    ) -> None:
        labels = as_labels(labels)
        super().__init__(len(labels) if num_samples is None else num_samples, seed, rank, num_replicas)
        self._probabilities = probabilities
        known = len(self._given())
        if len(labels) and labels.max() >= known:  # before a count of each class below the largest is kept
            raise ValueError(
                f"probabilities: expected one for each of {labels.max() + 1} classes of the labels, got shape [{known}]"
            )
        self.class_counts = torch.bincount(labels)
        self._by_class = labels.argsort(stable=True)
        self.probabilities()  # what is wrong with them is better known now
        self.warns = True

    @classmethod
    def balanced(
        cls,
        labels: Tensor | Sequence[int] | Any,
        num_samples: int | None = None,
        seed: int = 0,
        rank: int | None = None,
        num_replicas: int | None = None,
    ) -> ClassSampler:
        """Each class equally likely: ``ClassSampler(labels, balanced_probabilities(class_counts), ...)``.

        Example:
            >>> labels = [0] * 90 + [1] * 10
            >>> [labels[row] for row in ClassSampler.balanced(labels, num_samples=1000)].count(1)
            508
        """
        labels = as_labels(labels)
        if len(labels) == 0:
            raise ValueError("labels: expected one or more, got none")
        if labels.max() >= MOST_CLASSES:
            raise ValueError(f"labels: expected at most {MOST_CLASSES} classes, got a label of {labels.max()}")
        counts = torch.bincount(labels)
        return cls(labels, balanced_probabilities(counts), num_samples, seed, rank, num_replicas)

    def probabilities(self) -> Tensor:
        """Those of the current epoch, float64 [K]."""
        probabilities = self._given()
        _check_probabilities(probabilities, self.class_counts)
        return probabilities

    def _given(self) -> Tensor:
        given = self._probabilities(self.epoch) if callable(self._probabilities) else self._probabilities
        return as_numbers(given, "probabilities")

    def draw(self, generator: torch.Generator) -> Tensor:
        """Classes with the probabilities of the epoch, and for each an image from the deck of its class."""
        probabilities = self.probabilities()
        if self.warns:
            warn_where_both_do(self.class_counts, probabilities)
        classes = torch.multinomial(probabilities, self.num_samples, replacement=True, generator=generator)
        wanted = torch.bincount(classes, minlength=len(self.class_counts)).tolist()
        places = classes.argsort(stable=True).split(wanted)
        members = self._by_class.split(self.class_counts.tolist())
        rows = torch.empty(self.num_samples, dtype=torch.int64)
        for own_places, own in zip(places, members, strict=True):
            if len(own_places):
                decks = -(-len(own_places) // len(own))
                order = torch.rand(decks, len(own), dtype=torch.float64, generator=generator).argsort(1).flatten()
                rows[own_places] = own[order[: len(own_places)]]
        return rows


def _check_probabilities(probabilities: Tensor, class_counts: Tensor) -> None:
    if probabilities.ndim != 1 or len(probabilities) < len(class_counts):
        raise ValueError(
            f"probabilities: expected one for each of {len(class_counts)} classes of the labels, "
            f"got shape {list(probabilities.shape)}"
        )
    low, total = probabilities.min().item(), probabilities.sum().item()
    if not low >= 0 or not abs(total - 1) < 1e-6:
        raise ValueError(f"probabilities: expected at least 0 each and a sum of 1, got {low:.6g} and {total:.6g}")
    empty = probabilities > 0
    empty[: len(class_counts)] &= class_counts == 0
    if empty.any():
        missing = empty.nonzero().flatten()[:5].tolist()
        raise ValueError(f"labels: expected images of every class with a probability, got none of {missing}")
