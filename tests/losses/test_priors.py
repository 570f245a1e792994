"""Losses that know how frequent the classes are: what is their own."""

import pytest
import torch
import torch.nn.functional as F

from longtail_mix import (
    BalancedSoftmaxLoss,
    ClassWeights,
    LabelAwareSmoothingLoss,
    LADELoss,
    LogitAdjustmentLoss,
    MixedTarget,
)
from longtail_mix.functional import (
    balanced_softmax_loss,
    label_aware_smoothing_loss,
    lade_loss,
    logit_adjustment_loss,
    weighted_cross_entropy,
)
from longtail_mix.losses import concave, convex, linear

from .conftest import COUNTS, lade_loop

LABELS = torch.tensor([0, 1, 3, 2, 0, 0, 1])


def some_logits(rows: int = 7) -> torch.Tensor:
    return 2 * torch.randn(rows, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def test_balanced_softmax_is_logit_adjustment_with_tau_one():
    logits = some_logits()
    prior = torch.tensor(COUNTS, dtype=torch.float64) / sum(COUNTS)
    for tau in (-0.5, 0.0, 1.0, 2.0):
        expected = F.cross_entropy(logits + tau * prior.log(), LABELS)
        torch.testing.assert_close(logit_adjustment_loss(logits, LABELS, COUNTS, tau), expected)
    torch.testing.assert_close(
        balanced_softmax_loss(logits, LABELS, COUNTS), logit_adjustment_loss(logits, LABELS, COUNTS)
    )


def test_counts_may_be_a_tensor_and_only_their_ratios_matter():
    logits, counts = some_logits(), torch.tensor(COUNTS)
    for function in (balanced_softmax_loss, logit_adjustment_loss, lade_loss):
        expected = function(logits, LABELS, COUNTS)
        assert torch.equal(function(logits, LABELS, counts), expected)
        torch.testing.assert_close(function(logits, LABELS, 5 * counts), expected)


@pytest.mark.parametrize("module", [BalancedSoftmaxLoss, LogitAdjustmentLoss, LADELoss])
def test_a_class_without_images_is_an_error_at_construction(module):
    for counts in ([5, 0, 3], [0, 0], [], [-1, 2]):
        with pytest.raises(ValueError, match="class_counts: expected"):
            module(counts)
    with pytest.raises(ValueError, match=r"class_counts: expected one for each of 4 classes, got shape \[3\]"):
        module([1, 2, 3])(some_logits(), LABELS)
    # Where the values of counts are not looked at, one for all classes would be spread over them.
    with pytest.raises(ValueError, match=r"class_counts: expected one for each of 4 classes, got shape \[1\]"):
        module([3]).to("meta")(some_logits().to("meta"), LABELS.to("meta"))


@pytest.mark.parametrize(("shape", "half"), [(concave, 0.5**0.5), (linear, 0.5), (convex, 1 - 0.5**0.5)])
def test_smoothing_between_head_and_tail(shape, half):
    counts, logits = [101, 51, 1], some_logits()[:, :3]
    for label, eps in ((0, 0.5), (1, 0.1 + 0.4 * half), (2, 0.1)):
        target = torch.full((7, 3), eps / 2, dtype=torch.float64)
        target[:, label] = 1 - eps
        labels = torch.full((7,), label)
        got = label_aware_smoothing_loss(logits, labels, counts, 0.5, 0.1, shape)
        torch.testing.assert_close(got, F.cross_entropy(logits, target))
        assert LabelAwareSmoothingLoss(counts, 0.5, 0.1, shape)(logits, labels) == got


def test_label_aware_smoothing_knows_what_a_missing_class_is():
    logits, labels = some_logits(), torch.full((7,), 3)
    got = label_aware_smoothing_loss(logits, labels, [9, 5, 2, 0], 0.4, 0.1)
    target = torch.tensor([0.1 / 3] * 3 + [0.9], dtype=torch.float64).expand(7, 4)
    torch.testing.assert_close(got, F.cross_entropy(logits, target))
    assert LabelAwareSmoothingLoss([9, 5, 2, 0], 0.4, 0.1)(logits, labels) == got


def test_label_aware_smoothing_knows_no_negative_counts():
    with pytest.raises(ValueError, match=r"class_counts: expected no negative count, got \[9, 5, -2, 0\]"):
        label_aware_smoothing_loss(some_logits(), LABELS, [9, 5, -2, 0])


def test_label_aware_smoothing_of_equal_counts_is_one_smoothing():
    logits = some_logits()
    got = label_aware_smoothing_loss(logits, LABELS, [5] * 4, 0.3, 0.0)
    torch.testing.assert_close(got, weighted_cross_entropy(logits, LABELS, label_smoothing=0.3 * 4 / 3))


def test_lade_equals_its_loop_on_a_batch():
    logits = some_logits()
    hard = F.one_hot(LABELS, 4).double()
    lam = torch.linspace(0, 1, 7, dtype=torch.float64)
    mixed = MixedTarget(LABELS, LABELS.flip(0), lam)
    for target, shares in ((LABELS, hard), (mixed, mixed.soft(4)), (mixed.soft(4), mixed.soft(4))):
        expected = torch.tensor(lade_loop(logits.tolist(), shares.tolist(), 0.5, 0.2), dtype=torch.float64)
        got = lade_loss(logits, target, COUNTS, 0.5, 0.2, reduction="none")
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-8)
        torch.testing.assert_close(lade_loss(logits, target, COUNTS, 0.5, 0.2), expected.mean())
        torch.testing.assert_close(LADELoss(COUNTS, 0.5, 0.2, reduction="sum")(logits, target), expected.sum())


def test_lade_without_its_regulariser_is_balanced_softmax_and_weights_leave_it_alone():
    logits, weights = some_logits(), ClassWeights(torch.tensor([1.0, 2, 3, 4], dtype=torch.float64))
    options = {"weighting": weights, "label_smoothing": 0.1, "reduction": "none"}
    plain = balanced_softmax_loss(logits, LABELS, COUNTS, **options)
    torch.testing.assert_close(lade_loss(logits, LABELS, COUNTS, alpha=0.0, **options), plain)
    difference = lade_loss(logits, LABELS, COUNTS, 0.5, 0.2, **options) - plain
    expected = lade_loss(logits, LABELS, COUNTS, 0.5, 0.2) - balanced_softmax_loss(logits, LABELS, COUNTS)
    torch.testing.assert_close(difference, expected.expand(7))


def test_lade_with_a_class_the_batch_lacks(device):
    logits = some_logits().float().to(device).requires_grad_()
    lade_loss(logits, torch.zeros(7, dtype=torch.int64, device=device), COUNTS).backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LogitAdjustmentLoss(COUNTS, float("nan")), "tau: expected a finite number"),
        (lambda: LADELoss(COUNTS, alpha=-1), "alpha: expected a finite number of at least 0, got -1"),
        (lambda: LADELoss(COUNTS, lam=float("inf")), "lam: expected a finite number of at least 0, got inf"),
        (lambda: LabelAwareSmoothingLoss(COUNTS, head=1.5), "head: expected a number from 0 to 1, got 1.5"),
        (lambda: LabelAwareSmoothingLoss(COUNTS, tail=-0.1), "tail: expected a number from 0 to 1, got -0.1"),
    ],
)
def test_bad_options(call, message):
    with pytest.raises(ValueError, match=message):
        call()
