"""Splits and folds by group, where a group's images may have different labels: patients, hospitals, devices."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from longtail_mix._checks import as_labels, check_has_values, check_tensor, check_whole
from longtail_mix.data.splits import Split, check_fractions, check_id

__all__ = ["group_folds", "group_split"]

_Array: TypeAlias = np.ndarray[Any, Any]


def group_split(
    labels: Tensor | Sequence[int] | Any,
    groups: Sequence[Hashable] | Tensor | Any,
    test_fraction: float = 0.2,
    seed: int = 0,
    val_fraction: float = 0.0,
) -> Split:
    """Train, validation and test with nearly the same share of each class; all images of a group on one side.

    Unlike :func:`~longtail_mix.data.stratified_split`, which is exact for each class and wants one label a lesion, a
    group here may have images of many classes, as a patient has. No split by whole groups is exact then. This one
    deals out the groups from large to small, each to the part where it lowers ``sum (share got - share wanted) ** 2 /
    share wanted`` most; the sum is over the parts, the classes, and all images as if they were one class more. A class
    that only one group has is in one part.

    The split follows from the seed, the labels and the ids (by their ``repr``), not from the order of the rows.

    Args:
        labels: class of each image [N], or several classes for each image, [N, K] of 0 and 1; a tensor, an array or a
            list.
        groups: the group of each image, N ids that can be hashed: strings, numbers, tuples, or a tensor or an array
            [N].
        test_fraction: share of the images in test, more than 0.
        seed: another seed gives another split.
        val_fraction: share of the images in validation; 0 leaves it empty. The two together are less than 1.

    Raises:
        TypeError: labels that are not whole numbers, ids that cannot be hashed.
        ValueError: no images, lengths that differ, an id that is missing (None, NaN, empty) or has spaces around it,
            fewer groups than parts, or fractions out of range.

    Example:
        >>> labels = [0, 0, 0, 1, 0, 0, 1, 0, 0, 1]
        >>> patients = [7, 7, 8, 8, 9, 9, 9, 10, 10, 10]
        >>> split = group_split(labels, patients, test_fraction=0.3)
        >>> {patients[row] for row in split.test} & {patients[row] for row in split.train}
        set()
    """
    check_fractions(test_fraction, val_fraction)
    shares = [1.0 - test_fraction - val_fraction, val_fraction, test_fraction]
    wanted = [part for part in range(3) if shares[part] > 0]
    parts = torch.tensor(wanted)[_parts(labels, groups, [shares[part] for part in wanted], seed)]
    train, val, test = ((parts == part).nonzero().flatten() for part in range(3))
    return Split(train, val, test)


def group_folds(
    labels: Tensor | Sequence[int] | Any, groups: Sequence[Hashable] | Tensor | Any, folds: int = 5, seed: int = 0
) -> Tensor:
    """The fold of each image, for cross-validation: all images of a group in one fold, each class spread evenly.

    As :func:`group_split` into parts of equal size; scikit-learn's ``StratifiedGroupKFold`` serves the same end.

    Args:
        labels: see :func:`group_split`.
        groups: likewise.
        folds: how many, from 2 to the number of groups.
        seed: another seed gives other folds.

    Returns:
        int64 [N], from 0 to ``folds - 1``.

    Raises:
        TypeError, ValueError: as :func:`group_split`.

    Example:
        >>> labels = torch.tensor([0, 1] * 10)
        >>> fold = group_folds(labels, [row // 2 for row in range(20)], folds=5)
        >>> for k in range(5):
        ...     train, test = (fold != k).nonzero().flatten(), (fold == k).nonzero().flatten()
        >>> labels[test]
        tensor([0, 1, 0, 1])
    """
    check_whole(folds, "folds", 2)
    return _parts(labels, groups, [1 / folds] * folds, seed)


def _parts(labels: Any, groups: Any, shares: list[float], seed: int) -> Tensor:
    """The part of each image, int64 [N]; part p gets about ``shares[p]`` of each class."""
    check_whole(seed, "seed", None)
    classes = _classes(labels)
    rows = _rows_by_group(groups, len(classes))
    if len(rows) < len(shares):
        raise ValueError(f"groups: expected one or more for each of {len(shares)} parts, got {len(rows)}")
    # By powers of two of their size, in the seed's order: the large ones are hard to place later.
    ids = sorted(rows, key=lambda group: (-len(rows[group]).bit_length(), _rank(seed, group)))
    members = np.stack([classes[rows[group]].sum(0) for group in ids])
    total = members.sum(0)
    weights = members[:, total > 0] / total[total > 0]  # the group's share of each class [G, K]
    chosen = _deal(weights, np.asarray(shares))
    parts = torch.empty(len(classes), dtype=torch.int64)
    for group, part in zip(ids, chosen, strict=True):
        parts[rows[group]] = int(part)
    return parts


def _deal(weights: _Array, shares: _Array) -> _Array:
    """Which part each group goes to [G], from the groups' shares of the classes [G, K] and those of the parts [P]."""
    left = np.repeat(shares[:, None], weights.shape[1], 1)  # what each part still lacks of each class
    chosen = np.empty(len(weights), dtype=np.int64)
    for group, own in enumerate(weights):
        # What (left ** 2 / share).sum() would gain or lose.
        change = ((own - 2 * left) * own).sum(1) / shares
        chosen[group] = change.argmin()
        left[chosen[group]] -= own
    _leave_none_empty(weights, shares, chosen)
    return chosen


def _leave_none_empty(weights: _Array, shares: _Array, chosen: _Array) -> None:
    """Give each part without a group the smallest group of a part that has several."""
    for part in range(len(shares)):
        if not (chosen == part).any():
            several = np.bincount(chosen, minlength=len(shares))[chosen] > 1
            smallest = np.where(several, weights.sum(1), np.inf).argmin()
            chosen[smallest] = part


def _classes(labels: Any) -> _Array:
    """How often each image counts for each class [N, K], and in a last column 1 for each image."""
    given = as_labels(labels, several=True)
    if len(given) == 0:
        raise ValueError("labels: expected one or more, got none")
    # By the labels that are there: an id of a million is no reason for a million columns.
    many = given if given.ndim == 2 else torch.nn.functional.one_hot(given.unique(return_inverse=True)[1])
    return np.concatenate([many.double().numpy(), np.ones((len(given), 1))], 1)


def _rows_by_group(groups: Any, size: int) -> dict[Hashable, list[int]]:
    if isinstance(groups, str) or not isinstance(groups, Iterable):
        raise TypeError(f"groups: expected an id for each of {size} images, got {groups!r:.80}")
    if isinstance(groups, Tensor):
        check_tensor(groups, "groups")
        check_has_values(groups, "groups")
    ids = groups.tolist() if isinstance(groups, Tensor | np.ndarray) else list(groups)
    if not isinstance(ids, list) or len(ids) != size:
        raise ValueError(
            f"groups: expected an id for each of {size} images, got {len(ids) if isinstance(ids, list) else ids}"
        )
    rows: dict[Hashable, list[int]] = {}
    for row, group in enumerate(ids):
        if not isinstance(group, Hashable):
            raise TypeError(f"groups: expected ids that can be hashed, got {group!r} at row {row}")
        if group is None or group != group:
            raise ValueError(f"groups: expected an id for each image, got {group!r} at row {row}")
        check_id(group, "groups", row)
        rows.setdefault(group, []).append(row)
    return rows


def _rank(seed: int, group: Hashable) -> bytes:
    return blake2b(f"{seed}:{group!r}".encode()).digest()
