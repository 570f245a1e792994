"""Weights by class: the equations, what they are scaled to, and how losses use them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longtail_mix import (
    ClassBalancedWeights,
    ClassWeights,
    EffectiveNumberWeights,
    mean_one_over_classes,
    mean_one_over_images,
)
from longtail_mix.functional import class_balanced_weights, effective_number_weights

ISIC = [1113, 6705, 514, 327, 1099, 115, 142]


@pytest.fixture
def in_float64():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def close(got: torch.Tensor, expected: list[float]) -> None:
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=1e-8, atol=0)


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("counts", [ISIC, [1], [3, 3], [1, 10**9], [2, 5, 10**6]])
def test_weights_equal_the_loop(counts):
    total = sum(counts)
    close(class_balanced_weights(counts), [total / n for n in counts])
    for beta in (None, 0.0, 0.5, 0.9, 0.999):
        b = (total - 1) / total if beta is None else beta
        # (1 - b) / (1 - b^n) as one over 1 + b + b^2 + ... up to n terms: nothing is subtracted
        if total < 10**5:
            expected = [1 / sum(b**i for i in range(n)) for n in counts]
            close(effective_number_weights(counts, beta), expected)
    assert torch.equal(class_balanced_weights(torch.tensor(counts)), class_balanced_weights(counts))


@pytest.mark.usefixtures("in_float64")
def test_the_limits_of_the_effective_number():
    assert effective_number_weights(ISIC, 0.0).tolist() == [1.0] * 7
    close(effective_number_weights(ISIC, 1 - 1e-13), [1 / n for n in ISIC])
    # A billion images: beta rounds to 1 - 1e-9, and 1 - beta^n must not lose its digits.
    counts = [10**9 - 10, 10]
    assert effective_number_weights(counts)[1].item() == pytest.approx(0.1, rel=1e-8)


@pytest.mark.usefixtures("in_float64")
@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=8), st.floats(0, 0.99999))
def test_scaled_weights(counts, beta):
    n = torch.tensor(counts, dtype=torch.float64)
    plain = effective_number_weights(counts, beta)
    classes = effective_number_weights(counts, beta, mean_one_over_classes)
    images = effective_number_weights(counts, beta, mean_one_over_images)
    assert classes.mean().item() == pytest.approx(1)
    assert ((images * n).sum() / n.sum()).item() == pytest.approx(1)
    for scaled in (classes, images):
        torch.testing.assert_close(scaled / scaled[0], plain / plain[0])
    # The rarer a class, the more it weighs; never more than by the frequencies.
    order = n.argsort(descending=True)
    assert (plain[order].diff() >= -1e-15).all()
    balanced = class_balanced_weights(counts)
    assert (plain / plain.min() <= balanced / balanced.min() * (1 + 1e-9)).all()


def test_class_balanced_weights_give_each_class_the_same_sum():
    weights = class_balanced_weights(ISIC, mean_one_over_images)
    shares = weights * torch.tensor(ISIC)
    torch.testing.assert_close(shares, torch.full((7,), sum(ISIC) / 7))


def test_a_normalisation_of_ones_own():
    weights = class_balanced_weights(ISIC, lambda w, n: (w / w.max()).clamp(min=0.1) + 0 * n)
    assert weights.max() == 1
    assert weights.min() == pytest.approx(0.1)


def test_modules_look_up_labels_and_spread_over_shares(device):
    weights = class_balanced_weights(ISIC)
    for module, expected in (
        (ClassWeights(weights), weights),
        (ClassBalancedWeights(ISIC, mean_one_over_classes), class_balanced_weights(ISIC, mean_one_over_classes)),
        (EffectiveNumberWeights(ISIC, 0.99), effective_number_weights(ISIC, 0.99)),
    ):
        module = module.to(device)
        labels = torch.tensor([6, 0, 0, 3], device=device)
        for dtype in (torch.int64, torch.int32, torch.uint8):  # bytes are labels, not a mask
            weighed = module(torch.zeros(4, device=device), labels.to(dtype))
            assert torch.equal(weighed.cpu(), expected[labels.cpu()])
        shares = torch.full((4, 7), 1 / 7, device=device)
        assert torch.equal(module(torch.zeros(4, device=device), shares).cpu(), expected.expand(4, 7))
    assert list(ClassWeights(weights).state_dict()) == ["weights"]
    assert repr(ClassWeights(weights)) == "ClassWeights(num_classes=7)"


@pytest.mark.parametrize("counts", [[5, 0, 3], [5, -1], [], [0], "12", [1.5, 2], {3, 4}, [True, 2]])
def test_bad_counts(counts):
    for function in (class_balanced_weights, effective_number_weights, ClassBalancedWeights, EffectiveNumberWeights):
        with pytest.raises((TypeError, ValueError), match="class_counts: expected"):
            function(counts)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (torch.tensor([1, 2]), TypeError, "weights: expected a floating-point tensor"),
        (torch.ones(2, 2), ValueError, r"weights: expected one for each class \[K\], got shape \[2, 2\]"),
        (torch.ones(0), ValueError, "weights: expected one for each class"),
        (torch.tensor([1.0, -1.0]), ValueError, "weights: expected finite numbers of at least 0"),
        (torch.tensor([1.0, float("nan")]), ValueError, "weights: expected finite numbers of at least 0"),
    ],
)
def test_bad_weights(weights, error, message):
    with pytest.raises(error, match=message):
        ClassWeights(weights)


def test_bad_calls():
    for beta in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match="beta: expected 0 <= beta < 1"):
            effective_number_weights(ISIC, beta)
    with pytest.raises(ValueError, match=r"target: expected labels \[B\] or shares \[B, 2\], got \[3, 4\]"):
        ClassWeights(torch.ones(2))(torch.zeros(3), torch.zeros(3, 4))
    for labels in ([-1, 0, 1], [2, 0, 1]):
        with pytest.raises(ValueError, match="target: expected labels from 0 to 1, got"):
            ClassWeights(torch.ones(2))(torch.zeros(3), torch.tensor(labels))
    with pytest.raises(TypeError, match="target: expected a torch.Tensor"):
        ClassWeights(torch.ones(2))(torch.zeros(3), [0, 1])
