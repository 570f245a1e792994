"""What the options of a loss and a weighting become: the library's, with the right counts and epochs."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtail_mix import (
    BalancedSoftmaxLoss,
    FocalLoss,
    LADELoss,
    LDAMLoss,
    LogitAdjustmentLoss,
    MixedTarget,
    WeightedCrossEntropy,
    mean_one_over_classes,
    mean_one_over_images,
    set_epoch,
)
from longtail_mix.functional import class_balanced_weights, effective_number_weights
from reproduction.criteria.losses import (
    LADE,
    LDAM,
    BalancedSoftmax,
    Criterion,
    CrossEntropy,
    Focal,
    LabelAwareSmoothing,
    LogitAdjustment,
)
from reproduction.criteria.weightings import ClassBalanced, Deferred, EasyFirst, EffectiveNumber, HardFirst, NoWeights
from reproduction.methods.learner import Setting
from reproduction.methods.sampling import ByClass, Natural
from reproduction.networks.network import Backbone

COUNTS, DRAWN = (90, 30, 6), (42, 42, 42)
SETTING = Setting(COUNTS, Backbone(), 32, epochs=10, batch_size=8)
LABELS = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2])
LOGITS = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
EACH = F.cross_entropy(LOGITS, LABELS, reduction="none")


def value(criterion: Criterion, drawn: tuple[int, ...] = DRAWN) -> Tensor:
    loss: Tensor = criterion.build(SETTING, drawn)(LOGITS, LABELS)
    return loss


def prior(counts: tuple[int, ...]) -> Tensor:
    return (torch.tensor(counts) / sum(counts)).log()


BY_HAND = [
    (CrossEntropy(), EACH.mean()),
    (Focal(2.0), ((1 - (-EACH).exp()) ** 2 * EACH).mean()),
    (Focal(0.0), EACH.mean()),
    (BalancedSoftmax(), F.cross_entropy(LOGITS + prior((60, 20, 4)), LABELS)),
    (LogitAdjustment(0.5), F.cross_entropy(LOGITS + 0.5 * prior((60, 20, 4)), LABELS)),
]


@pytest.mark.parametrize(("criterion", "expected"), BY_HAND, ids=lambda part: type(part).__name__)
def test_the_loss_is_that_of_its_formula_with_the_prior_of_what_is_drawn(criterion, expected):
    torch.testing.assert_close(value(criterion, (60, 20, 4)), expected)


@pytest.mark.parametrize(
    ("criterion", "kind", "library"),
    [
        (CrossEntropy(), WeightedCrossEntropy, WeightedCrossEntropy()),
        (Focal(), FocalLoss, FocalLoss(1.0)),
        (LDAM(weighting=NoWeights()), LDAMLoss, LDAMLoss(DRAWN)),
        (BalancedSoftmax(), BalancedSoftmaxLoss, BalancedSoftmaxLoss(DRAWN)),
        (LogitAdjustment(), LogitAdjustmentLoss, LogitAdjustmentLoss(DRAWN)),
        (LADE(), LADELoss, LADELoss(DRAWN)),
    ],
    ids=lambda part: type(part).__name__,
)
def test_it_is_the_library_s(criterion, kind, library):
    built = criterion.build(SETTING, DRAWN)
    assert type(built) is kind
    torch.testing.assert_close(built(LOGITS.tanh(), LABELS), library(LOGITS.tanh(), LABELS))
    assert criterion.cosine == isinstance(criterion, LDAM)


@pytest.mark.parametrize(
    "criterion",
    [CrossEntropy(), Focal(), BalancedSoftmax(), LogitAdjustment(), LADE(), LabelAwareSmoothing(), LDAM()],
    ids=lambda part: type(part).__name__,
)
def test_every_loss_takes_labels_that_are_shared(criterion):
    target = MixedTarget(LABELS, LABELS.flip(0), torch.full((8,), 0.75))
    loss = criterion.build(SETTING, DRAWN)
    mixed = loss(LOGITS.tanh(), target)
    assert mixed.ndim == 0
    assert mixed.isfinite()
    torch.testing.assert_close(loss(LOGITS.tanh(), MixedTarget.hard(LABELS)), loss(LOGITS.tanh(), LABELS))


def test_label_aware_smoothing_goes_by_the_counts_of_the_data_not_of_the_stream():
    smooth = LabelAwareSmoothing()
    torch.testing.assert_close(value(smooth, DRAWN), value(smooth, COUNTS))
    assert value(LabelAwareSmoothing(head=0.1, tail=0.1)) != value(smooth)


@pytest.mark.parametrize(
    ("weighting", "weights"),
    [
        (ClassBalanced(), class_balanced_weights(COUNTS, mean_one_over_images)),
        (EffectiveNumber(), effective_number_weights(COUNTS, None, mean_one_over_images)),
        (EffectiveNumber(0.9), effective_number_weights(COUNTS, 0.9, mean_one_over_images)),
        (EffectiveNumber(0.9, over_classes=True), effective_number_weights(COUNTS, 0.9, mean_one_over_classes)),
    ],
    ids=str,
)
@pytest.mark.parametrize("wrap", [CrossEntropy, lambda weighting: Focal(0.0, weighting)])
def test_each_image_counts_as_its_class_does(weighting, weights, wrap):
    torch.testing.assert_close(value(wrap(weighting)), (weights[LABELS] * EACH).mean())


def by_epoch(weighting: nn.Module, epoch: int) -> list[float]:
    set_epoch(weighting, epoch)
    counted: Tensor = weighting(EACH, LABELS)
    return counted.tolist()


def test_deferred_weights_begin_at_their_share_of_the_epochs():
    built = Deferred().build(SETTING)
    weights = effective_number_weights(COUNTS, 0.9999, mean_one_over_classes)[LABELS].tolist()
    assert by_epoch(built, 7) == [1.0] * 8
    assert by_epoch(built, 8) == pytest.approx(weights)
    assert by_epoch(Deferred(start=0.2).build(SETTING), 2) == pytest.approx(weights)


def test_curricula_count_half_of_a_batch_at_first_and_all_by_half_of_the_training():
    order = EACH.argsort()
    for weighting, chosen in ((EasyFirst(), order[:4]), (HardFirst(), order[4:])):
        built = weighting.build(SETTING)
        assert [i for i, counts in enumerate(by_epoch(built, 0)) if counts] == sorted(chosen.tolist())
        assert by_epoch(built, 5) == [1.0] * 8
    within = HardFirst(class_wise=True).build(SETTING)
    counted = torch.tensor(by_epoch(within, 0))
    for label in range(3):
        own = label == LABELS
        assert 1 <= counted[own].sum() < own.sum()
        assert EACH[own][counted[own] == 1].min() > EACH[own][counted[own] == 0].max()


def test_a_prior_is_that_of_the_stream():
    assert Natural().counts(COUNTS) == COUNTS
    balanced = torch.tensor(ByClass(0.0).counts(COUNTS)).double()
    torch.testing.assert_close(
        balanced / balanced.sum(), torch.full((3,), 1 / 3, dtype=torch.float64), rtol=1e-5, atol=0
    )
    torch.testing.assert_close(value(BalancedSoftmax(), ByClass(0.0).counts(COUNTS)), EACH.mean(), rtol=0, atol=1e-5)
    root = torch.tensor(ByClass(0.5).counts(COUNTS)).double()
    expected = torch.tensor(COUNTS).double().sqrt()
    torch.testing.assert_close(root / root.sum(), expected / expected.sum(), rtol=1e-5, atol=0)


def test_streams_show_each_class_as_often_as_they_say():
    labels = torch.tensor([0] * 90 + [1] * 10)
    first, second = Natural()(labels, 2, 0), Natural()(labels, 2, 1)
    assert sorted(first) == list(range(100))
    assert first.rows().tolist() != second.rows().tolist()
    for power in (0.0, 0.5):
        sampler = ByClass(power)(labels, 2, 3)
        drawn = []
        for epoch in range(50):
            sampler.set_epoch(epoch)
            drawn.append(sampler.rows())
        rare = labels[torch.cat(drawn)].float().mean()
        assert len(torch.cat(drawn)) == 50 * 100
        assert abs(rare - 10**power / (90**power + 10**power)) < 0.03  # 4 sigma
