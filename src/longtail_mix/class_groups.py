"""Many, medium and few: which classes are the head of the distribution and which its tail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from longtail_mix._checks import check_class_counts, check_whole

__all__ = ["ClassGroups", "many_medium_few", "many_medium_few_by_count"]


class ClassGroups(NamedTuple):
    """Class indices in three groups, each from the most frequent class to the rarest."""

    many: tuple[int, ...]
    medium: tuple[int, ...]
    few: tuple[int, ...]


def many_medium_few(class_counts: Sequence[int] | Tensor) -> ClassGroups:
    """Group the classes by the rank of their counts, as the SPMix paper does for ISIC 2018 (Fig. 3).

    The first seventh of the ranking is `many` (at least one class), the last three sevenths are `few`, what
    lies between is `medium`; fractions are rounded. Seven classes give 1, 3 and 3: with the accuracies printed
    in the paper's Table 1 this is the only cut that fits 40 test images a class. Equal counts keep the order
    of the class indices.

    Args:
        class_counts: images per class, [K].

    Raises:
        ValueError: no class, a negative count, or only zeros.
        TypeError: a count that is not a whole number.

    Example:
        >>> many_medium_few([1113, 6705, 514, 327, 1099, 115, 142])
        ClassGroups(many=(1,), medium=(0, 4, 2), few=(3, 6, 5))
    """
    counts = check_class_counts(class_counts)
    ranking = sorted(range(len(counts)), key=lambda c: -counts[c])
    first_medium = max(1, round(len(counts) / 7))
    first_few = len(counts) - round(3 * len(counts) / 7)
    return ClassGroups(
        tuple(ranking[:first_medium]), tuple(ranking[first_medium:first_few]), tuple(ranking[first_few:])
    )


def many_medium_few_by_count(
    class_counts: Sequence[int] | Tensor, more_than: int = 100, fewer_than: int = 20
) -> ClassGroups:
    """Group the classes by absolute counts, as ImageNet-LT does (Liu et al. 2019).

    `many` has more than `more_than` training images a class, `few` fewer than `fewer_than`.

    Raises:
        ValueError: no class, a negative count, only zeros, or ``fewer_than > more_than + 1``.
        TypeError: a count or a bound that is not a whole number.

    Example:
        >>> many_medium_few_by_count([500, 101, 100, 20, 19])
        ClassGroups(many=(0, 1), medium=(2, 3), few=(4,))
    """
    counts = check_class_counts(class_counts)
    check_whole(more_than, "more_than", None)
    check_whole(fewer_than, "fewer_than", None)
    if fewer_than > more_than + 1:
        raise ValueError(f"fewer_than: expected at most more_than + 1 = {more_than + 1}, got {fewer_than}")
    ranking = sorted(range(len(counts)), key=lambda c: -counts[c])
    return ClassGroups(
        tuple(c for c in ranking if counts[c] > more_than),
        tuple(c for c in ranking if fewer_than <= counts[c] <= more_than),
        tuple(c for c in ranking if counts[c] < fewer_than),
    )
