"""Splits by lesion and long-tailed subsets, the same on every machine.

The order in which lesions are dealt out comes from a hash of the seed and the lesion's id, not from a random
generator, so that a split depends on nothing else: not on the platform, the versions or the order of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import torch
from torch import Tensor

from longtail_mix._checks import (
    MOST_CLASSES,
    check_class_counts,
    check_has_values,
    check_labels,
    check_number,
    check_whole,
)

__all__ = ["Split", "balanced_split", "long_tail_counts", "long_tail_subset", "stratified_split"]


class Split(NamedTuple):
    """Row indices of the three parts, int64, ascending; together they hold each row once."""

    train: Tensor
    val: Tensor
    test: Tensor


def balanced_split(
    labels: Tensor, lesions: Sequence[str], val_per_class: int = 20, test_per_class: int = 40, seed: int = 0
) -> Split:
    """Validation and test with equally many images of each class, the long tail in training.

    The defaults are the SPMix paper's 7:1:2 of ISIC 2018: 40 test images a class, so 20 for validation, 280 and 140 in
    all. The list that its authors released has 46 for validation, 322 in all. All images of a lesion fall on one side.
    The test part does not depend on `val_per_class`.

    Args:
        labels: integer class of each image, [N], every class from 0 to the largest present.
        lesions: the lesion each image shows, N ids.
        val_per_class: images of each class in validation, exactly.
        test_per_class: images of each class in test, exactly.
        seed: another seed gives another split.

    Raises:
        ValueError: no images, lengths that differ, a lesion with two labels, an id that is empty or has spaces around
            it, a class without images below the largest, or a class whose lesions cannot give exactly that many images
            with one left to train on.
        TypeError: labels that are not an integer tensor, lesion ids that are not strings.

    Example:
        >>> labels = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 1])
        >>> lesions = ["a", "a", "b", "c", "d", "e", "f", "g", "g"]
        >>> split = balanced_split(labels, lesions, val_per_class=1, test_per_class=1)
        >>> [len(part) for part in split]
        [5, 2, 2]
    """
    check_whole(val_per_class, "val_per_class", 0)
    check_whole(test_per_class, "test_per_class", 0)
    parts: list[list[int]] = [[], [], []]
    by_class = _lesions_by_class(labels, lesions, seed)
    missing = next((label for label, present in enumerate(by_class) if label != present), None)
    if missing is not None:
        raise ValueError(
            f"labels: class {missing}: expected images of every class from 0 to the largest, {max(by_class)}, "
            "got 0 images of 0 lesions"
        )
    for label, groups in by_class.items():
        test = _fill(groups, test_per_class)
        rest = [group for i, group in enumerate(groups) if i not in test]
        val = _fill(rest, val_per_class)
        got = sum(len(groups[i]) for i in test), sum(len(rest[i]) for i in val)
        if got != (test_per_class, val_per_class) or len(val) == len(rest):
            raise ValueError(
                f"labels: class {label}: expected {test_per_class} images for test, {val_per_class} for validation and "
                f"one or more to train on, got {sum(map(len, groups))} images of {len(groups)} lesions, "
                "which cannot be dealt out so by whole lesions"
            )
        _deal(parts, groups, test, val)
    return _as_split(parts)


def stratified_split(
    labels: Tensor, lesions: Sequence[str], test_fraction: float = 0.2, seed: int = 0, val_fraction: float = 0.0
) -> Split:
    """Test (and validation) with the same share of each class; all images of a lesion on one side.

    The number of test images of a class is the nearest to its share that whole lesions can add up to; the
    smaller of two equally near ones. So a class with very few lesions may have none in test.

    Args:
        labels: integer class of each image, [N].
        lesions: the lesion each image shows, N ids.
        test_fraction: share of each class in test, more than 0.
        seed: another seed gives another split.
        val_fraction: share of each class in validation; 0 leaves validation empty. The two shares together
            are less than 1.

    Raises:
        ValueError: no images, lengths that differ, a lesion with two labels, an id that is empty or has spaces around
            it, or fractions out of range.
        TypeError: labels that are not an integer tensor, lesion ids that are not strings.

    Example:
        >>> labels = torch.tensor([0] * 10 + [1] * 5)
        >>> split = stratified_split(labels, [str(i) for i in range(15)])
        >>> labels[split.test].tolist(), split.val.tolist()
        ([0, 0, 1], [])
    """
    check_fractions(test_fraction, val_fraction)
    parts: list[list[int]] = [[], [], []]
    for groups in _lesions_by_class(labels, lesions, seed).values():
        images = sum(map(len, groups))
        test = _fill(groups, test_fraction * images)
        rest = [group for i, group in enumerate(groups) if i not in test]
        _deal(parts, groups, test, _fill(rest, val_fraction * images))
    return _as_split(parts)


def long_tail_counts(max_count: int, num_classes: int, imbalance: float) -> tuple[int, ...]:
    """The exponential profile of the long-tail benchmarks: ``max_count * imbalance ** (-c / (K - 1))``.

    Fractions are cut off, as in the published CIFAR-LT (Cui et al. 2019, Cao et al. 2019).

    Args:
        max_count: images of class 0, the most frequent one.
        num_classes: K, at least 2.
        imbalance: how many times rarer the last class is; from 1 to `max_count`.

    Raises:
        ValueError: a number out of range.
        TypeError: `max_count` or `num_classes` is not a whole number.

    Example:
        >>> long_tail_counts(5000, 10, imbalance=100)
        (5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50)
    """
    check_whole(max_count, "max_count", 1)
    check_whole(num_classes, "num_classes", 2, MOST_CLASSES)
    check_number(imbalance, "imbalance")
    if not 1.0 <= imbalance <= max_count:
        raise ValueError(f"imbalance: expected 1 <= imbalance <= max_count = {max_count}, got {imbalance}")
    # The small addend keeps a product that should be whole from being cut off a unit in the last place below.
    exact = (max_count * imbalance ** (-c / (num_classes - 1)) for c in range(num_classes))
    return tuple(math.floor(count + 1e-6) for count in exact)


def long_tail_subset(labels: Tensor, class_counts: Sequence[int] | Tensor, seed: int = 0) -> Tensor:
    """Row indices, ascending, of a subset with ``class_counts[c]`` images of class c.

    Rows are drawn by a hash of the seed and the row's number. A smaller count of a class gives a subset of what
    a larger one gives, so that profiles of different imbalance are nested.

    Args:
        labels: integer class of each image, [N], from 0 to K - 1.
        class_counts: images wanted per class, [K].
        seed: another seed gives another subset.

    Raises:
        ValueError: a class with too few images, or labels outside the counts.
        TypeError: labels that are not an integer tensor, counts that are not whole numbers.

    Example:
        >>> long_tail_subset(torch.tensor([0, 1, 0, 1, 0]), [2, 1]).shape
        torch.Size([3])
    """
    counts = check_class_counts(class_counts)
    check_labels(labels, len(counts))
    check_has_values(labels, "labels")
    check_whole(seed, "seed", None)
    rows: list[list[int]] = [[] for _ in counts]
    for row, label in enumerate(labels.tolist()):
        rows[label].append(row)
    short = [f"class {c}: {len(rows[c])} of {count}" for c, count in enumerate(counts) if len(rows[c]) < count]
    if short:
        raise ValueError(f"labels: expected as many images as class_counts, got {', '.join(short)}")
    drawn = (sorted(r, key=lambda row: _rank(seed, str(row)))[:n] for r, n in zip(rows, counts, strict=True))
    return torch.tensor(sorted(row for chosen in drawn for row in chosen), dtype=torch.int64)


def check_fractions(test_fraction: float, val_fraction: float) -> None:
    """The shares of test and validation: some test, and something left to train on."""
    check_number(test_fraction, "test_fraction")
    check_number(val_fraction, "val_fraction")
    if not (0.0 < test_fraction < 1.0 and 0.0 <= val_fraction < 1.0 - test_fraction):
        raise ValueError(
            "test_fraction, val_fraction: expected 0 < test_fraction, 0 <= val_fraction and a sum of less than 1, "
            f"got test_fraction {test_fraction} and val_fraction {val_fraction}"
        )


def check_id(group: object, name: str, row: int) -> None:
    """Raise ``ValueError`` for an id of a lesion or a patient that is empty, or would be another without its spaces."""
    if isinstance(group, str) and (not group or group != group.strip()):
        raise ValueError(
            f"{name}: expected ids that are not empty and without spaces around, got {group!r} at row {row}"
        )


def _rank(seed: int, name: str) -> bytes:
    return blake2b(f"{seed}:{name}".encode()).digest()


def _lesions_by_class(labels: Tensor, lesions: Sequence[str], seed: int) -> dict[int, list[list[int]]]:
    """For each class its lesions in the seed's order, each lesion as the rows of its images."""
    check_labels(labels)
    check_whole(seed, "seed", None)
    check_has_values(labels, "labels")
    if not isinstance(lesions, Sequence) or isinstance(lesions, str):
        raise TypeError(f"lesions: expected a sequence of ids, got {lesions!r:.80}")
    if len(labels) == 0 or len(labels) != len(lesions):
        raise ValueError(
            f"labels, lesions: expected a lesion for each of one or more labels, got {len(labels)} and {len(lesions)}"
        )
    rows: dict[str, list[int]] = {}
    for row, lesion in enumerate(lesions):
        if not isinstance(lesion, str):
            raise TypeError(f"lesions: expected strings, got {lesion!r} at row {row}")
        check_id(lesion, "lesions", row)
        rows.setdefault(lesion, []).append(row)
    classes: list[int] = labels.tolist()
    mixed = sorted(lesion for lesion, group in rows.items() if len({classes[row] for row in group}) > 1)
    if mixed:
        raise ValueError(
            f"lesions: {len(mixed)} lesions have images of different labels, the first: {', '.join(mixed[:5])}"
        )
    by_class: dict[int, list[list[int]]] = {label: [] for label in sorted(set(classes))}
    for lesion in sorted(rows, key=lambda lesion: _rank(seed, lesion)):
        by_class[classes[rows[lesion][0]]].append(rows[lesion])
    return by_class


def _fill(groups: Sequence[Sequence[int]], target: float) -> set[int]:
    """Which lesions to take so that their images add up to `target`, or as near to it as they can.

    First come, first taken, unless the lesions that follow could then no longer add up. The bits of an integer
    are the set of sums that can be reached: shifting it adds a lesion.
    """
    # No sum beyond this can be the nearest: taking one lesion away from it would leave a nearer one.
    most = min(math.ceil(target), sum(map(len, groups)))
    kept = (1 << (most + max(map(len, groups), default=0) + 1)) - 1
    reachable = [1]
    for group in reversed(groups):
        reachable.append((reachable[-1] | reachable[-1] << len(group)) & kept)
    sums = (s for s in range(reachable[-1].bit_length()) if reachable[-1] >> s & 1)
    room = min(sums, key=lambda s: (abs(s - target), s))
    taken = set()
    for i, group in enumerate(groups):
        if len(group) <= room and reachable[len(groups) - 1 - i] >> (room - len(group)) & 1:
            taken.add(i)
            room -= len(group)
    return taken


def _deal(parts: list[list[int]], groups: Sequence[Sequence[int]], test: set[int], val: set[int]) -> None:
    """Put the rows of one class into train, val and test; `val` counts the lesions that test has left."""
    left = [group for i, group in enumerate(groups) if i not in test]
    parts[2] += [row for i in test for row in groups[i]]
    parts[1] += [row for i in val for row in left[i]]
    parts[0] += [row for i, group in enumerate(left) if i not in val for row in group]


def _as_split(parts: list[list[int]]) -> Split:
    train, val, test = (torch.tensor(sorted(part), dtype=torch.int64) for part in parts)
    return Split(train, val, test)
