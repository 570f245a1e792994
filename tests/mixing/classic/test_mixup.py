"""Mixup by hand, and against torchvision and kornia."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from longtail_mix import InBatch, MixUp, RandomPairing, ShiftedPairing
from longtail_mix.functional import draw_lam, mixup


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=30)
@given(
    number=st.integers(0, 4),
    channels=st.integers(1, 4),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.uint8]),
    seed=st.integers(0, 2**31),
)
def test_equals_a_loop(number, channels, dtype, seed):
    first, second = torch.rand(2, number, channels, 3, 5, generator=seeded(seed), dtype=torch.float64) * 255
    first, second = first.to(dtype), second.to(dtype)
    labels, other = torch.randint(9, (2, number), generator=seeded(seed))
    lam = torch.rand(number, generator=seeded(seed))
    mixed, target = mixup(first, labels, second, other, lam)
    for i in range(number):
        expected = lam[i].double() * first[i].double() + (1 - lam[i].double()) * second[i].double()
        torch.testing.assert_close(
            mixed[i].double(), expected.round() if dtype == torch.uint8 else expected, atol=2e-4, rtol=0
        )
    assert mixed.dtype == dtype
    assert [t.tolist() for t in target] == [labels.tolist(), other.tolist(), lam.tolist()]


def test_ends_are_exact():
    first, second = torch.randn(2, 2, 3, 4, 4)
    labels = torch.tensor([0, 1])
    mixed, _ = mixup(first, labels, second, labels, torch.tensor([1.0, 0.0]))
    assert torch.equal(mixed, torch.stack([first[0], second[1]]))


def test_gradcheck():
    first, second = (torch.rand(2, 2, 3, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    labels = torch.tensor([0, 1])
    lam = torch.tensor([0.3, 0.6], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda a, b, share: mixup(a, labels, b, labels, share)[0], (first, second, lam))


def test_one_share_for_all_is_torchvisions_mixup(monkeypatch):
    v2 = pytest.importorskip("torchvision.transforms.v2")
    images, labels = torch.rand(5, 3, 6, 8, generator=seeded(0)), torch.tensor([0, 3, 1, 1, 2])
    for share in (0.0, 0.3, 0.9):
        judge = v2.MixUp(num_classes=4)
        monkeypatch.setattr(judge, "make_params", lambda _inputs, share=share: {"lam": share})
        expected, expected_labels = judge(images, labels)
        partner, _ = ShiftedPairing().partners(labels)
        mixed, target = mixup(images, labels, images[partner], labels[partner], torch.full((5,), share))
        torch.testing.assert_close(mixed, expected)
        torch.testing.assert_close(target.soft(4), expected_labels)


def test_the_share_belongs_to_the_first_and_korniass_to_the_second():
    """A black first image, a white second one: how white the mix is tells whose share lambda is."""
    augmentation = pytest.importorskip("kornia.augmentation")
    black_and_white = torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)])
    labels = torch.tensor([0, 1])
    judge = augmentation.RandomMixUpV2(lambda_val=(0.2, 0.2), data_keys=["input", "class"])
    for seed in range(20):  # until the pairing is not the identity
        torch.manual_seed(seed)
        images, (first, second, lam) = (lambda x, y: (x, y.unbind(1)))(*judge(black_and_white, labels))
        if first.tolist() != second.tolist():
            break
    torch.testing.assert_close(images.mean((1, 2, 3)), torch.tensor([0.2, 0.8]))
    assert [first.tolist(), second.tolist()] == [[0, 1], [1, 0]]
    torch.testing.assert_close(lam, torch.tensor([0.2, 0.2]))  # of `second`, as the images show
    mixed, target = mixup(black_and_white, labels, black_and_white.flip(0), labels.flip(0), 1 - lam)
    torch.testing.assert_close(mixed, images)
    torch.testing.assert_close(target.soft(2)[:, 1], images.mean((1, 2, 3)))  # white is class 1


def test_the_module_draws_and_calls_the_function():
    images, labels = torch.rand(4, 3, 4, 4), torch.tensor([0, 1, 2, 1])
    pairs = (images, labels, images.flip(0), labels.flip(0))
    mixed, target = MixUp(0.4)(*pairs, generator=seeded(2))
    lam = draw_lam(labels, 0.4, seeded(2))
    assert torch.equal(target.lam, lam)
    assert torch.equal(mixed, mixup(*pairs, lam)[0])
    assert repr(InBatch(MixUp(0.4), RandomPairing())) == (
        "InBatch(\n  (mix): MixUp(alpha=0.4)\n  (pairing): RandomPairing()\n)"
    )


X = torch.rand(2, 3, 4, 4)
Y = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("lam", "error", "message"),
    [
        ([0.5, 0.5], TypeError, "lam: expected a torch.Tensor, got list"),
        (torch.tensor([0, 1]), TypeError, "lam: expected a floating-point tensor, got torch.int64"),
        (torch.tensor([0.5]), ValueError, r"lam: expected one for each of 2 images, got shape \[1\]"),
        (torch.tensor(0.5), ValueError, r"lam: expected one for each of 2 images, got shape \[\]"),
        (torch.tensor([0.5, 1.01]), ValueError, r"lam: expected values in \[0, 1\], got 0.5 to 1.01"),
        (torch.tensor([-0.1, 1.0]), ValueError, r"lam: expected values in \[0, 1\], got -0.1 to 1"),
        (torch.tensor([math.nan, 1.0]), ValueError, r"lam: expected values in \[0, 1\], got nan to nan"),
        (torch.tensor([0.5, 1.0], device="meta"), ValueError, "lam: expected device cpu like first, got meta"),
    ],
)
def test_bad_shares(lam, error, message):
    with pytest.raises(error, match=message):
        mixup(X, Y, X, Y, lam)


def test_the_image_that_is_not_finite_is_named():
    lam = torch.tensor([0.5, 0.5])
    with pytest.raises(ValueError, match="first: expected finite values"):
        mixup(X * math.inf, Y, X, Y, lam)
    with pytest.raises(ValueError, match="second: expected finite values"):
        mixup(X, Y, X * math.nan, Y, lam)
    large = torch.full_like(X, 3e38)
    with pytest.raises(ValueError, match="first: expected values whose difference torch.float32 holds"):
        mixup(large, Y, -large, Y, lam)
