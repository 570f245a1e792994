"""A sampler and a loss that correct the same class frequencies say so."""

import warnings

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from longtail_mix import BalancedSoftmaxLoss, LogitAdjustmentLoss
from longtail_mix.sampling import (
    ClassSampler,
    ShuffledSampler,
    TwoStreamLoader,
    balanced_probabilities,
    class_probabilities,
    square_root_probabilities,
)

COUNTS = [83, 17, 3]
LABELS = torch.arange(3).repeat_interleave(torch.tensor(COUNTS))


@pytest.mark.parametrize("loss", [BalancedSoftmaxLoss, LogitAdjustmentLoss])
@pytest.mark.parametrize(
    "balanced",
    [
        ClassSampler.balanced,
        lambda labels: ClassSampler(labels, balanced_probabilities(COUNTS)),
        lambda labels: ClassSampler(labels, [0.3, 0.3, 0.4]),
        lambda labels: ClassSampler(labels, lambda _epoch: balanced_probabilities(COUNTS)),
    ],
    ids=["balanced", "its probabilities", "numbers", "of an epoch"],
)
def test_both_at_once_is_said(loss, balanced):
    criterion = loss(COUNTS)
    sampler = balanced(LABELS)
    with pytest.warns(
        UserWarning, match=rf"{type(criterion).__name__} corrects class counts of \[83, 17, 3\], and the"
    ):
        list(sampler)


def test_nothing_is_said_where_one_does():
    sampler = ClassSampler.balanced(LABELS)
    criterion = BalancedSoftmaxLoss(COUNTS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(ClassSampler(LABELS, class_probabilities(COUNTS, 1)))
        second = ClassSampler(LABELS, class_probabilities(COUNTS, 0))
        second.warns = False  # of two streams that are nobody else's business
        list(second)
        list(ClassSampler(LABELS, square_root_probabilities(COUNTS)))
        list(ShuffledSampler(103))
        list(ClassSampler.balanced(LABELS[:-1]))  # other images
        data = TensorDataset(torch.zeros(103))
        list(TwoStreamLoader(*(DataLoader(data, 50, sampler=s) for s in (ShuffledSampler(103), sampler))))
        even = BalancedSoftmaxLoss([7, 7, 7])
        list(ClassSampler.balanced([0, 1, 2] * 7))
        del criterion, even
        list(ClassSampler.balanced(LABELS))
