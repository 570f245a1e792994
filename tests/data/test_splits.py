from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from longtail_mix.data import (
    Split,
    balanced_split,
    long_tail_counts,
    long_tail_subset,
    read_isic2018,
    stratified_split,
)


def rows_of(sizes_by_class: Sequence[Sequence[int]]) -> tuple[Tensor, list[str]]:
    """Labels and lesion ids for lesions of the given numbers of images."""
    rows = [
        (label, f"L{label}-{lesion}")
        for label, sizes in enumerate(sizes_by_class)
        for lesion, size in enumerate(sizes)
        for _ in range(size)
    ]
    return torch.tensor([label for label, _ in rows]), [lesion for _, lesion in rows]


def counts(labels: Tensor, part: Tensor) -> list[int]:
    return torch.bincount(labels[part], minlength=int(labels.max()) + 1).tolist()


def check_parts(split: Split, lesions: Sequence[str]) -> None:
    """Each row is on one side, so is each lesion, and the indices ascend."""
    for part in split:
        assert part.dtype == torch.int64
        assert part.tolist() == sorted(part.tolist())
    assert sorted(torch.cat(tuple(split)).tolist()) == list(range(len(lesions)))
    sides = [{lesions[row] for row in part.tolist()} for part in split]
    assert len(sides[0] | sides[1] | sides[2]) == sum(map(len, sides))


def shuffled(labels: Tensor, lesions: Sequence[str], seed: int) -> tuple[Tensor, list[str], Tensor]:
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return labels[order], [lesions[row] for row in order.tolist()], order


lesion_sizes = st.lists(st.integers(1, 5), max_size=12)


@given(st.lists(lesion_sizes, min_size=1, max_size=4), st.integers(0, 4), st.integers(0, 4), st.integers())
def test_balanced_split_holds_whatever_the_lesions(sizes: list[list[int]], val: int, test: int, seed: int) -> None:
    # As many single images as are asked for make it always possible, and one more is left to train on.
    labels, lesions = rows_of([[*more, *[1] * (val + test + 1)] for more in sizes])
    split = balanced_split(labels, lesions, val, test, seed=seed)
    check_parts(split, lesions)
    assert counts(labels, split.val) == [val] * len(sizes)
    assert counts(labels, split.test) == [test] * len(sizes)
    assert min(counts(labels, split.train)) > 0

    other_labels, other_lesions, order = shuffled(labels, lesions, seed % 1000)
    again = balanced_split(other_labels, other_lesions, val, test, seed=seed)
    for part, same in zip(split, again, strict=True):
        assert {lesions[row] for row in part.tolist()} == {lesions[row] for row in order[same].tolist()}


@given(
    st.lists(lesion_sizes.filter(bool), min_size=1, max_size=4), st.sampled_from([0.1, 0.2, 0.5, 0.8]), st.integers()
)
def test_stratified_split_is_as_near_as_whole_lesions_allow(sizes: list[list[int]], fraction: float, seed: int) -> None:
    labels, lesions = rows_of(sizes)
    split = stratified_split(labels, lesions, fraction, seed)
    check_parts(split, lesions)
    assert split.val.numel() == 0
    for class_sizes, got in zip(sizes, counts(labels, split.test), strict=True):
        sums = {0}
        for size in class_sizes:
            sums |= {s + size for s in sums}
        share = fraction * sum(class_sizes)
        assert abs(got - share) == min(abs(s - share) for s in sums)

    other_labels, other_lesions, order = shuffled(labels, lesions, seed % 1000)
    again = stratified_split(other_labels, other_lesions, fraction, seed)
    assert {lesions[row] for row in split.test.tolist()} == {lesions[row] for row in order[again.test].tolist()}


def test_stratified_split_with_validation() -> None:
    labels, lesions = rows_of([[1] * 100, [2] * 20, [5] * 4])
    split = stratified_split(labels, lesions, test_fraction=0.2, val_fraction=0.1)
    check_parts(split, lesions)
    assert counts(labels, split.test) == [20, 8, 5]
    # A tenth of 20 images is 2: none and 5 are the choices, and none is nearer.
    assert counts(labels, split.val) == [10, 4, 0]
    # Equally near: the smaller. A label nobody has is no matter.
    labels, lesions = torch.tensor([2, 2]), ["a", "a"]
    assert stratified_split(labels, lesions, test_fraction=0.5).train.tolist() == [0, 1]


# Never change these: they are the promise that a seed gives the same split everywhere.
LABELS = torch.tensor([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2])
LESIONS = list("aabbcdef") + list("gghijk") + list("lmnopp")


def test_pinned_balanced_split() -> None:
    def split(seed: int) -> list[list[int]]:
        return [part.tolist() for part in balanced_split(LABELS, LESIONS, 1, 2, seed)]

    assert split(0) == [[0, 1, 2, 3, 7, 8, 9, 13, 14, 15, 17], [5, 12, 16], [4, 6, 10, 11, 18, 19]]
    assert split(1) == [[0, 1, 2, 3, 6, 8, 9, 10, 17, 18, 19], [7, 11, 14], [4, 5, 12, 13, 15, 16]]


def test_the_default_is_the_papers_one_to_two() -> None:
    labels = torch.arange(2).repeat_interleave(100)
    train, val, test = balanced_split(labels, [str(i) for i in range(200)])
    assert [counts(labels, part) for part in (train, val, test)] == [[40, 40], [20, 20], [40, 40]]
    assert len(stratified_split(labels, [str(i) for i in range(200)]).test) == 40
    assert len(stratified_split(labels, [str(i) for i in range(200)]).val) == 0


def test_pinned_stratified_split() -> None:
    def split(seed: int) -> list[list[int]]:
        return [part.tolist() for part in stratified_split(LABELS, LESIONS, 0.3, seed, val_fraction=0.2)]

    assert split(0) == [[2, 3, 5, 7, 8, 9, 13, 14, 15, 17], [0, 1, 12, 16], [4, 6, 10, 11, 18, 19]]
    assert split(1) == [[0, 1, 2, 3, 8, 9, 10, 17, 18, 19], [6, 7, 11, 14], [4, 5, 12, 13, 15, 16]]


def test_pinned_subset() -> None:
    assert long_tail_subset(LABELS, [4, 2, 1]).tolist() == [1, 3, 5, 7, 12, 13, 19]
    assert long_tail_subset(LABELS, [4, 2, 1], seed=1).tolist() == [0, 1, 2, 5, 8, 12, 14]


def test_lesions_come_in_the_order_of_their_hash() -> None:
    labels, lesions = rows_of([[1] * 30])
    order = sorted(range(30), key=lambda row: blake2b(f"7:{lesions[row]}".encode()).digest())
    split = balanced_split(labels, lesions, val_per_class=5, test_per_class=10, seed=7)
    assert split.test.tolist() == sorted(order[:10])
    assert split.val.tolist() == sorted(order[10:15])


def test_the_test_part_does_not_depend_on_the_validation_part() -> None:
    labels, lesions = rows_of([[1] * 30, [2] * 9 + [1] * 9])
    parts = [balanced_split(labels, lesions, val, 6).test.tolist() for val in (0, 1, 7)]
    assert parts[0] == parts[1] == parts[2]


def test_looks_ahead_where_taking_the_first_lesions_would_fail() -> None:
    # Only two lesions of two make four: taking one of three first would end at three.
    labels, lesions = rows_of([[3] * 5 + [2] * 2])
    for seed in range(20):
        split = balanced_split(labels, lesions, val_per_class=3, test_per_class=4, seed=seed)
        assert {lesions[row] for row in split.test.tolist()} == {"L0-5", "L0-6"}


def test_balanced_split_that_cannot_be_reached() -> None:
    labels, lesions = rows_of([[1] * 9, [3] * 4])
    with pytest.raises(ValueError, match=r"class 1: expected 4 images for test, .* got 12 images of 4 lesions"):
        balanced_split(labels, lesions, val_per_class=3, test_per_class=4)
    with pytest.raises(ValueError, match=r"class 1: expected 3 images for test, 2 for validation"):
        balanced_split(labels, lesions, val_per_class=2, test_per_class=3)
    with pytest.raises(ValueError, match=r"class 0: .* one or more to train on, got 9 images of 9 lesions"):
        balanced_split(labels, lesions, val_per_class=3, test_per_class=6)
    with pytest.raises(ValueError, match=r"class 1: .* got 0 images of 0 lesions"):
        balanced_split(torch.tensor([0, 0, 2, 2]), list("abcd"), val_per_class=0, test_per_class=1)


@pytest.mark.parametrize("split", [balanced_split, stratified_split])
def test_bad_rows(split) -> None:
    good = torch.tensor([0, 1])
    for labels in (torch.tensor([0.0, 1.0]), [0, 1]):
        with pytest.raises(TypeError, match="labels: expected"):
            split(labels, ["a", "b"])
    with pytest.raises(ValueError, match=r"labels: expected labels \[B\]"):
        split(torch.zeros(1, 2, dtype=torch.int64), ["a"])
    with pytest.raises(ValueError, match="labels: expected labels of at least 0, got"):
        split(torch.tensor([0, -1]), ["a", "b"])
    for labels, lesions in ((good[:0], []), (good, ["a"])):
        with pytest.raises(ValueError, match=f"got {len(labels)} and {len(lesions)}"):
            split(labels, lesions)
    with pytest.raises(TypeError, match="lesions: expected strings, got 5 at row 1"):
        split(good, ["a", 5])
    with pytest.raises(TypeError, match=r"seed: expected a whole number, got 0.5"):
        split(good, ["a", "b"], seed=0.5)
    mixed = [str(i) for i in range(7)] * 2
    with pytest.raises(ValueError, match=r"7 lesions have images of different labels, the first: 0, 1, 2, 3, 4$"):
        split(torch.tensor([0] * 7 + [1] * 7), mixed)


def test_bad_sizes() -> None:
    labels, lesions = rows_of([[1] * 9])
    with pytest.raises(ValueError, match="val_per_class: expected at least 0, got -1"):
        balanced_split(labels, lesions, val_per_class=-1)
    with pytest.raises(TypeError, match=r"test_per_class: expected a whole number, got 1.0"):
        balanced_split(labels, lesions, test_per_class=1.0)
    for test, val in ((0.0, 0.0), (1.0, 0.0), (0.5, -0.1), (0.5, 0.5), (float("nan"), 0.0)):
        with pytest.raises(ValueError, match=f"got test_fraction {test} and val_fraction {val}"):
            stratified_split(labels, lesions, test, val_fraction=val)


def test_published_long_tail_profiles() -> None:
    assert long_tail_counts(5000, 10, 100) == (5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50)
    # CIFAR-100-LT with imbalance 100 has 10,847 images (Cao et al. 2019).
    assert sum(long_tail_counts(500, 100, 100)) == 10847
    assert long_tail_counts(500, 3, 100) == (500, 50, 5)
    # In floating point some of these products come out a unit in the last place too small.
    assert long_tail_counts(32, 6, 32) == (32, 16, 8, 4, 2, 1)
    assert long_tail_counts(49, 3, 49) == (49, 7, 1)
    assert long_tail_counts(7, 2, 1) == (7, 7)


def test_bad_long_tail_profiles() -> None:
    for imbalance in (0.01, 101, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=f"imbalance: expected .* max_count = 100, got {imbalance}"):
            long_tail_counts(100, 10, imbalance)
    with pytest.raises(ValueError, match="num_classes: expected at least 2, got 1"):
        long_tail_counts(100, 1, 10)
    with pytest.raises(ValueError, match="max_count: expected at least 1, got 0"):
        long_tail_counts(0, 10, 1)
    with pytest.raises(TypeError, match="max_count: expected a whole number, got True"):
        long_tail_counts(True, 10, 1)


def test_subset_has_the_counts_and_is_nested() -> None:
    labels = torch.arange(200) % 3
    small, large = (long_tail_subset(labels, wanted, seed=3) for wanted in ([9, 4, 0], [50, 20, 4]))
    assert torch.bincount(labels[large], minlength=3).tolist() == [50, 20, 4]
    assert torch.bincount(labels[small], minlength=3).tolist() == [9, 4, 0]
    assert large.tolist() == sorted(set(large.tolist()))
    assert set(small.tolist()) <= set(large.tolist())
    assert large.tolist() != long_tail_subset(labels, [50, 20, 4], seed=4).tolist()


def test_bad_subsets() -> None:
    labels = torch.tensor([0, 0, 1, 2])
    with pytest.raises(ValueError, match=r"as class_counts, got class 0: 2 of 3, class 2: 1 of 5$"):
        long_tail_subset(labels, [3, 1, 5])
    with pytest.raises(ValueError, match=r"labels: expected labels from 0 to 1, got \[2\]"):
        long_tail_subset(labels, [1, 1])
    with pytest.raises(ValueError, match="class_counts: expected no negative count"):
        long_tail_subset(labels, [1, 1, -1])
    with pytest.raises(TypeError, match="seed: expected a whole number"):
        long_tail_subset(labels, [1, 1, 1], seed=None)


@pytest.mark.parametrize("seed", [0, 1])
def test_real_balanced_split(isic2018_root: Path, seed: int) -> None:
    data = read_isic2018(isic2018_root)
    for split, aside, train in (
        (balanced_split(data.labels, data.lesions, 46, seed=seed), 46, [1027, 6619, 428, 241, 1013, 29, 56]),
        (balanced_split(data.labels, data.lesions, seed=seed), 20, [1053, 6645, 454, 267, 1039, 55, 82]),
    ):
        check_parts(split, data.lesions)
        assert counts(data.labels, split.train) == train
        assert counts(data.labels, split.val) == [aside] * 7
        assert counts(data.labels, split.test) == [40] * 7
    other = balanced_split(data.labels, data.lesions, seed=seed + 1)
    assert len(set(split.test.tolist()) & set(other.test.tolist())) < 100


def test_real_stratified_split(isic2018_root: Path) -> None:
    data = read_isic2018(isic2018_root)
    split = stratified_split(data.labels, data.lesions)
    check_parts(split, data.lesions)
    assert counts(data.labels, split.test) == [round(0.2 * count) for count in data.class_counts()]
