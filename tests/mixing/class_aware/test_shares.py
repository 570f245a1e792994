"""Balanced-MixUp and UniMix: their shares, by hand and against the distributions they come from."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longtail_mix import BalancedMixUp, UniMix
from longtail_mix.functional import draw_lam, draw_small_share, mixup, unimix_share


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("alpha", [0.1, 0.3, 1.0, 4.0])
def test_small_shares_come_from_beta(alpha):
    draw = draw_small_share(torch.zeros(20000, dtype=torch.long), alpha, seeded(0)).double()
    points = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    below = (draw.unsqueeze(1) <= points).double().mean(0)
    torch.testing.assert_close(below, points**alpha, atol=0.015, rtol=0)  # Beta(alpha, 1) has the distribution x^alpha
    assert draw.mean().item() == pytest.approx(alpha / (alpha + 1), abs=0.01)


@given(lam=st.floats(0, 1), n1=st.integers(1, 10**6), n2=st.integers(1, 10**6))
def test_the_share_of_unimix_by_hand(lam, n1, n2):
    one = torch.tensor([lam], dtype=torch.float64)
    first, second = torch.tensor([0]), torch.tensor([1])
    share = unimix_share(one, first, second, torch.tensor([n1, n2])).item()
    moved = lam - 0.5 + n2 / (n1 + n2)
    expected = moved + 1 if moved < 0 else moved - 1 if moved >= 1 else moved
    assert min(abs(share - expected), 1 - abs(share - expected)) < 1e-12
    assert 0 <= share <= 1
    mirrored = unimix_share(1 - one, second, first, torch.tensor([n1, n2])).item()  # the pair the other way round
    difference = (share + mirrored) % 1
    assert min(difference, 1 - difference) < 1e-9


def test_the_rarer_class_has_the_larger_share():
    labels, other = torch.zeros(20000, dtype=torch.long), torch.ones(20000, dtype=torch.long)
    lam = draw_lam(labels, 8.0, seeded(0))  # close about a half, so that little comes in at the other end
    share = unimix_share(lam, labels, other, torch.tensor([300, 100]))
    assert share.mean().item() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("mix", [BalancedMixUp(0.3), UniMix([90, 9, 1])])
def test_images_and_labels_are_those_of_mixup(mix):
    first, second = torch.rand(2, 5, 3, 4, 4, dtype=torch.float64)
    labels, other = torch.randint(3, (2, 5), generator=seeded(0))
    images, target = mix(first, labels, second, other, generator=seeded(1))
    if isinstance(mix, UniMix):
        lam = unimix_share(draw_lam(labels, 0.5, seeded(1)), labels, other, torch.tensor([90, 9, 1]))
    else:
        lam = 1 - draw_small_share(labels, 0.3, seeded(1))
    expected, expected_target = mixup(first, labels, second, other, lam)
    assert torch.equal(images, expected)
    assert torch.equal(target.lam, expected_target.lam)


L, C = torch.tensor([0, 1]), torch.tensor([3, 1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BalancedMixUp(0), "alpha: expected a finite number above 0, got 0"),
        (lambda: UniMix([1, 0]), r"class_counts: expected images of every class, got \[1, 0\]"),
        (lambda: UniMix([1, 2], alpha=-1), "alpha: expected a finite number above 0, got -1"),
        (lambda: unimix_share(L / 2, L, L + 1, C), "second_labels: expected labels from 0 to 1"),
        (lambda: unimix_share(L * 2.0, L, L, C), r"lam: expected values in \[0, 1\]"),
        (lambda: unimix_share(L / 2, L, L, C[None]), r"class_counts: expected one count for each class, got shape"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
