"""Remix: images as mixup, labels by its rule."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail_mix import Remix
from longtail_mix.functional import draw_lam, mixup, remix

COUNTS = [900, 300, 299, 20, 1]


def by_hand(n1: int, n2: int, lam: float, kappa: float, tau: float) -> float:
    if n1 / n2 >= kappa and lam < tau:
        return 0.0
    if n1 / n2 <= 1 / kappa and 1 - lam < tau:
        return 1.0
    return lam


@settings(max_examples=40)
@given(
    labels=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12),
    kappa=st.sampled_from([1.5, 3.0, 10.0]),
    tau=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
    seed=st.integers(0, 2**31),
)
def test_equals_the_rule_pair_by_pair(labels, kappa, tau, seed):
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.rand(2, len(labels), 3, 2, 2, generator=generator)
    lam = torch.randint(17, (len(labels),), generator=generator) / 16  # so that lam == tau happens
    y1, y2 = (torch.tensor([pair[k] for pair in labels], dtype=torch.long) for k in (0, 1))
    mixed, target = remix(first, y1, second, y2, lam, torch.tensor(COUNTS), kappa, tau)
    expected, plain = mixup(first, y1, second, y2, lam)
    assert torch.equal(mixed, expected)
    assert torch.equal(target.labels, plain.labels)
    assert torch.equal(target.other, plain.other)
    rule = [by_hand(COUNTS[a], COUNTS[b], float(x), kappa, tau) for (a, b), x in zip(labels, lam, strict=True)]
    assert target.lam.tolist() == rule


def test_swapping_the_images_swaps_the_label():
    first, second = torch.rand(2, 200, 1, 1, 1)
    generator = torch.Generator().manual_seed(0)
    y1, y2 = torch.randint(5, (2, 200), generator=generator)
    lam = torch.rand(200, generator=generator)
    counts = torch.tensor(COUNTS)
    there = remix(first, y1, second, y2, lam, counts)[1].soft(5)
    back = remix(second, y2, first, y1, 1 - lam, counts)[1].soft(5)
    torch.testing.assert_close(there, back)


def test_a_class_loses_its_label_only_where_it_is_frequent_and_small():
    images = torch.rand(6, 3, 2, 2)
    labels, other = torch.tensor([0, 0, 0, 4, 4, 4]), torch.tensor([4, 4, 4, 0, 0, 0])
    lam = torch.tensor([0.4, 0.5, 0.6, 0.4, 0.5, 0.6])
    _, target = remix(images, labels, images, other, lam, torch.tensor(COUNTS))
    torch.testing.assert_close(target.lam, torch.tensor([0.0, 0.5, 0.6, 0.4, 0.5, 1.0]))  # at tau it keeps its share


def test_the_module_draws_and_calls_the_function():
    images, labels = torch.rand(4, 3, 4, 4), torch.tensor([0, 1, 2, 4])
    pairs = (images, labels, images.flip(0), labels.flip(0))
    mixed, target = Remix(COUNTS, 0.4, 2.0, 0.3)(*pairs, generator=torch.Generator().manual_seed(2))
    lam = draw_lam(labels, 0.4, torch.Generator().manual_seed(2))
    expected, expected_target = remix(*pairs, lam, torch.tensor(COUNTS), 2.0, 0.3)
    assert torch.equal(mixed, expected)
    assert torch.equal(target.lam, expected_target.lam)
    assert repr(Remix([2, 1])) == "Remix(class_counts=[2, 1], alpha=1.0, kappa=3.0, tau=0.5)"
    assert not Remix(COUNTS).state_dict()


X = torch.rand(2, 3, 4, 4)
Y = torch.tensor([0, 1])
LAM = torch.tensor([0.2, 0.3])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([2, 1],), TypeError, "class_counts: expected a torch.Tensor, got list"),
        ((torch.ones(2, 2),), ValueError, r"class_counts: expected one count for each class, got shape \[2, 2\]"),
        ((torch.tensor([3]),), ValueError, r"first_labels: expected labels from 0 to 0, got \[1\]"),
        ((torch.tensor([3, 0]),), ValueError, r"first_labels: .* class_counts \[3, 0\] has images of, got \[1\]"),
        ((torch.tensor([3, 1], device="meta"),), ValueError, "first_labels: expected device meta like class_counts"),
        ((torch.tensor([3, 1]), 1.0), ValueError, "kappa: expected a finite number above 1, got 1.0"),
        ((torch.tensor([3, 1]), "3"), TypeError, "kappa: expected a number, got '3'"),
        ((torch.tensor([3, 1]), 3.0, 1.5), ValueError, "tau: expected a number from 0 to 1, got 1.5"),
    ],
)
def test_bad_counts_and_options(arguments, error, message):
    with pytest.raises(error, match=message):
        remix(X, Y, X, Y, LAM, *arguments)


def test_the_partners_labels_are_checked_too():
    with pytest.raises(ValueError, match=r"second_labels: .* class_counts \[3, 0\] has images of, got \[1\]"):
        remix(X, Y * 0, X, Y, LAM, torch.tensor([3, 0]))
    with pytest.raises(ValueError, match=r"second_labels: expected labels from 0 to 1, got \[2\]"):
        remix(X, Y, X, Y + 1, LAM, torch.tensor([3, 1]))


def test_bad_options_of_the_module():
    with pytest.raises(ValueError, match="class_counts: expected no negative count"):
        Remix([3, -1])
    with pytest.raises(ValueError, match="tau: expected a number from 0 to 1, got -1"):
        Remix([3, 1], tau=-1)
