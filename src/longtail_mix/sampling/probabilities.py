"""How often each class is drawn: every rule of the papers is a power of its number of images, or lies between two."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor

from longtail_mix._checks import check_class_counts, check_not_huge, check_number, check_whole

__all__ = [
    "ProgressiveProbabilities",
    "balanced_probabilities",
    "class_probabilities",
    "progressive_probabilities",
    "reversed_probabilities",
    "square_root_probabilities",
]


def class_probabilities(class_counts: Sequence[int] | Tensor, power: float) -> Tensor:
    """``n_c ** power / sum(n ** power)``: Eq. 1 of Kang et al. 2019 for any power.

    ======  ==========================================================================
    power   the class of a draw
    ======  ==========================================================================
    1       as the images come
    1/2     square root (Mahajan et al. 2018)
    0       class-balanced: each class equally likely
    -1      reversed (Zhou et al. 2020, BBN): the rarer, the likelier
    ======  ==========================================================================

    Args:
        class_counts: images per class [K]. A class without images is never drawn.
        power: any finite number.

    Returns:
        Probabilities [K], float64, on the CPU; they sum to 1.

    Raises:
        TypeError, ValueError: counts that are not whole numbers of at least 0 with one image or more; a power that is
            not a finite number.

    Example:
        >>> class_probabilities([900, 100, 0], power=0.5)
        tensor([0.7500, 0.2500, 0.0000], dtype=torch.float64)
    """
    counts = torch.tensor(check_class_counts(class_counts), dtype=torch.float64)
    check_number(power, "power")
    if not isfinite(power):
        raise ValueError(f"power: expected a finite number, got {power}")
    check_not_huge(power, "power")
    # A softmax of logarithms: no power overflows.
    return (power * counts.log()).masked_fill(counts == 0, -torch.inf).softmax(0)


def balanced_probabilities(class_counts: Sequence[int] | Tensor) -> Tensor:
    """Each class that has images equally likely: :func:`class_probabilities` with power 0.

    Example:
        >>> balanced_probabilities([900, 100])
        tensor([0.5000, 0.5000], dtype=torch.float64)
    """
    return class_probabilities(class_counts, 0)


def square_root_probabilities(class_counts: Sequence[int] | Tensor) -> Tensor:
    """A class as likely as the square root of its images: :func:`class_probabilities` with power 1/2.

    Example:
        >>> square_root_probabilities([900, 100])
        tensor([0.7500, 0.2500], dtype=torch.float64)
    """
    return class_probabilities(class_counts, 0.5)


def reversed_probabilities(class_counts: Sequence[int] | Tensor) -> Tensor:
    """The rarer the likelier, as the reversed sampler of BBN: :func:`class_probabilities` with power -1.

    Example:
        >>> reversed_probabilities([900, 100])
        tensor([0.1000, 0.9000], dtype=torch.float64)
    """
    return class_probabilities(class_counts, -1)


def progressive_probabilities(class_counts: Sequence[int] | Tensor, progress: float) -> Tensor:
    """From the images as they come to class-balanced: Eq. 2 of Kang et al. 2019.

    ``(1 - progress) * class_probabilities(class_counts, 1) + progress * class_probabilities(class_counts, 0)``

    Args:
        class_counts: images per class [K].
        progress: from 0, as they come, to 1, balanced.

    Raises:
        TypeError, ValueError: as :func:`class_probabilities`; `progress` outside [0, 1].

    Example:
        >>> progressive_probabilities([900, 100], progress=0.5)
        tensor([0.7000, 0.3000], dtype=torch.float64)
    """
    check_number(progress, "progress")
    if not 0.0 <= progress <= 1.0:
        raise ValueError(f"progress: expected a number from 0 to 1, got {progress}")
    return torch.lerp(class_probabilities(class_counts, 1), class_probabilities(class_counts, 0), progress)


class ProgressiveProbabilities:
    """The probabilities of an epoch, :func:`progressive_probabilities` with progress ``epoch / epochs``.

    Args:
        class_counts: images per class [K].
        epochs: how many epochs it takes to become balanced; it stays so afterwards.

    Raises:
        TypeError, ValueError: as :func:`class_probabilities`; `epochs` below 1.

    Example:
        >>> probabilities = ProgressiveProbabilities([900, 100], epochs=200)
        >>> probabilities(0), probabilities(100)
        (tensor([0.9000, 0.1000], dtype=torch.float64), tensor([0.7000, 0.3000], dtype=torch.float64))
    """

    def __init__(self, class_counts: Sequence[int] | Tensor, epochs: int) -> None:
        self.class_counts = check_class_counts(class_counts)
        check_whole(epochs, "epochs", 1)
        self.epochs = epochs

    def __call__(self, epoch: int) -> Tensor:
        """Probabilities [K] of an epoch, counted from 0."""
        check_whole(epoch, "epoch", 0)
        return progressive_probabilities(self.class_counts, min(1.0, epoch / self.epochs))
