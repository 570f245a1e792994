"""Splits and folds by groups of mixed labels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longtail_mix.data import group_folds, group_split

PATIENTS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), min_size=3, max_size=30)


def rows_of(patients):
    labels = [label for own in patients for label in own]
    return labels, [patient for patient, own in enumerate(patients) for _ in own]


def made_up(patients, seed=0):
    """Patients with 1 to 8 images of four classes, each patient with a leaning of its own, the last class rare."""
    random = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        leaning = random.dirichlet([4, 2, 1, 0.2])
        rows += [(label, patient) for label in random.choice(4, random.integers(1, 9), p=leaning)]
    labels, groups = map(np.array, zip(*rows, strict=True))
    return labels, groups


@given(PATIENTS, st.integers(0, 5))
def test_no_group_on_two_sides_and_no_row_lost(patients, seed):
    labels, groups = rows_of(patients)
    split = group_split(labels, groups, 0.3, seed, val_fraction=0.2)
    assert sorted(torch.cat(split).tolist()) == list(range(len(labels)))
    sides = [{groups[row] for row in part.tolist()} for part in split]
    assert sum(map(len, sides)) == len(patients)
    assert all(sides)  # no part is empty
    folds = group_folds(labels, groups, 3, seed)
    assert all(len({int(folds[row]) for row in range(len(labels)) if groups[row] == g}) == 1 for g in groups)
    assert set(folds.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("seed", range(3))
def test_every_class_has_nearly_its_share(seed):
    labels, groups = made_up(600)
    counts = np.bincount(labels)
    split = group_split(labels, groups, 0.2, seed, val_fraction=0.1)
    for part, share in zip(split, (0.7, 0.1, 0.2), strict=True):
        got = np.bincount(labels[part.numpy()], minlength=4)
        assert (abs(got - share * counts) <= 2).all(), (got, share * counts)
    folds = group_folds(labels, groups, 5, seed).numpy()
    for fold in range(5):
        got = np.bincount(labels[folds == fold], minlength=4)
        assert (abs(got - counts / 5) <= 2).all(), (got, counts / 5)


def test_images_of_several_classes_each():
    random = np.random.default_rng(0)
    films = (random.random((900, 5)) < [0.4, 0.2, 0.1, 0.05, 0.0]).astype(int)  # many show nothing, none the last
    groups = random.integers(0, 300, 900)
    folds = group_folds(films, groups, 3).numpy()
    counts = films.sum(0)
    for fold in range(3):
        got = films[folds == fold]
        assert abs(len(got) - 300) <= 2
        assert (abs(got.sum(0) - counts / 3) <= 2).all()
    same = group_folds(torch.from_numpy(films).bool(), groups, 3)
    assert torch.equal(same, torch.from_numpy(folds))


def test_the_same_whatever_the_order_of_the_rows_and_the_kind_of_the_arguments():
    labels, groups = made_up(50)
    folds = group_folds(labels, groups)
    order = np.random.default_rng(1).permutation(len(labels))
    assert torch.equal(group_folds(labels[order], groups[order]), folds[order])
    assert torch.equal(group_folds(labels.tolist(), groups.tolist()), folds)
    assert torch.equal(group_folds(torch.from_numpy(labels), torch.from_numpy(groups)), folds)
    assert torch.equal(group_folds(labels, groups, seed=0), folds)
    assert not torch.equal(group_folds(labels, groups, seed=1), folds)


@pytest.mark.parametrize("make", [str, lambda g: ("hospital", int(g)), lambda g: frozenset([int(g)]), np.int64])
def test_any_id_that_can_be_hashed(make):
    labels, groups = made_up(20)
    ids = [make(group) for group in groups]
    split = group_split(labels, ids)
    assert {ids[row] for row in split.train}.isdisjoint(ids[row] for row in split.test)


def test_a_group_that_outweighs_all_others_trains():
    labels, groups = [0] * 50 + [0, 1] * 25, [0] * 50 + list(range(1, 51))
    split = group_split(labels, groups, 0.2, val_fraction=0.1)
    assert groups[split.train[0]] == 0
    assert len(split.test) == 20
    assert len(split.val) == 10


def test_a_part_that_would_be_empty_gets_the_smallest_group():
    split = group_split([0] * 12, [0] * 6 + [1] * 5 + [2], test_fraction=0.01, val_fraction=0.01)
    assert [len(part) for part in split] == [6, 1, 5] or [len(part) for part in split] == [6, 5, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: group_split([0, 1], [1, None]), "groups: expected an id for each image, got None at row 1"),
        (lambda: group_split([0, 1], [float("nan"), 1.0]), "got nan at row 0"),
        (lambda: group_split([0, 1], [[1], [2]]), r"groups: expected ids that can be hashed, got \[1\] at row 0"),
        (lambda: group_split([0, 1], [1]), "groups: expected an id for each of 2 images, got 1"),
        (lambda: group_split([0, 1], "ab"), "groups: expected an id for each of 2 images"),
        (lambda: group_split([0, 1], [1, 1]), "groups: expected one or more for each of 2 parts, got 1"),
        (lambda: group_split([], []), "labels: expected one or more, got none"),
        (lambda: group_split(["a", "b"], [1, 2]), "labels: expected whole numbers, got 'a'"),
        (lambda: group_split([0.5, 1.0], [1, 2]), "labels: expected integer labels, got torch.float64"),
        (lambda: group_split([[0, 2], [1, 0]], [1, 2]), "labels: expected 0 or 1 for each class"),
        (lambda: group_split([0, 1], [1, 2], test_fraction=0.0), "expected 0 < test_fraction"),
        (lambda: group_folds([0, 1], [1, 2], folds=1), "folds: expected at least 2, got 1"),
        (lambda: group_folds([0, 1], [1, 2], seed=0.5), "seed: expected a whole number"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
