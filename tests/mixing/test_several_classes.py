"""Labels [B, K] of images with several classes: mixed by the same weights, or told the way out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from longtail_mix import (
    LSM,
    BalancedPairing,
    BalancedSoftmaxLoss,
    CutMix,
    FocalLoss,
    HeadTailPairing,
    InBatch,
    MixCollate,
    MixedTarget,
    MixUp,
    RandomPairing,
    Remix,
    ShiftedPairing,
    SoftTargetMix,
    Sometimes,
    SPMix,
    SupervisedContrastiveLoss,
    UniMix,
)
from tests.mixing.mixes import MIXES, WITH_MAPS, seeded

FINDINGS = torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1]])
FILMS = torch.rand(5, 3, 8, 12, generator=seeded(0))
BCE = nn.BCEWithLogitsLoss(reduction="none")


@pytest.mark.parametrize("name", sorted((MIXES | WITH_MAPS).keys() - {"Remix", "UniMix"}))
def test_every_mix_without_class_counts(name):
    mix = (MIXES | WITH_MAPS)[name]()
    maps = (torch.rand(5, 1, 8, 12, generator=seeded(1)),) if name in WITH_MAPS else ()
    in_batch = InBatch(mix, RandomPairing())
    mixed, target, record = in_batch.with_record(FILMS, FINDINGS, *maps, generator=seeded(2))
    classes = torch.arange(5)
    same, of_classes = in_batch(FILMS, classes, *maps, generator=seeded(2))
    assert torch.equal(mixed, same)
    assert torch.equal(target.lam, of_classes.lam)
    assert torch.equal(target.labels, FINDINGS)
    soft = target.soft(3)
    for i, lam in enumerate(record.lam):
        other = FINDINGS[of_classes.other[i]]
        torch.testing.assert_close(soft[i], lam * FINDINGS[i] + (1 - lam) * other)


@settings(max_examples=25, deadline=None)
@given(number=st.integers(0, 4), classes=st.integers(1, 4), seed=st.integers(0, 99))
def test_the_loss_is_that_of_the_weighted_sum(number, classes, seed):
    generator = seeded(seed)
    first, second = torch.randint(2, (2, number, classes), generator=generator).double()
    lam = torch.rand(number, generator=generator, dtype=torch.float64)
    logits = torch.randn(number, classes, generator=generator, dtype=torch.float64)
    target = MixedTarget(first, second, lam)
    soft = torch.stack([lam[i] * first[i] + (1 - lam[i]) * second[i] for i in range(number)] or [first.sum(0)])
    torch.testing.assert_close(target.soft(classes), soft[:number])
    by_class = BCE(logits, soft[:number])
    torch.testing.assert_close(target.losses(BCE, logits), by_class.mean(1))
    own_mean = target.losses(lambda z, y: BCE(z, y).mean(1), logits)
    torch.testing.assert_close(own_mean, by_class.mean(1))
    if number:
        torch.testing.assert_close(target.loss(BCE, logits), nn.BCEWithLogitsLoss()(logits, soft))


def test_the_target_moves_and_stays_as_it_is():
    target = MixedTarget.hard(FINDINGS)
    assert torch.equal(target.soft(3), FINDINGS)
    assert torch.equal(target.to("cpu").labels, FINDINGS)
    assert target.soft(3).dtype == torch.float32
    half = MixedTarget(FINDINGS.half(), FINDINGS.half(), torch.ones(5))
    assert half.soft(3).dtype == torch.float32


def test_around_the_mixes():
    mix = InBatch(Sometimes(MixUp(), 0.5), ShiftedPairing())
    _, soft = SoftTargetMix(mix, 3, label_smoothing=0.3)(FILMS, FINDINGS)
    assert ((soft >= 0.1 - 1e-6) & (soft <= 0.8 + 1e-6)).all()
    _, soft = SoftTargetMix(mix, 3).eval()(FILMS, FINDINGS)
    assert torch.equal(soft, FINDINGS)
    mix.train()
    _, target = MixCollate(mix)(list(zip(FILMS, FINDINGS, strict=True)))
    assert torch.equal(target.labels, FINDINGS)
    _, target = mix.eval()(FILMS, FINDINGS)
    assert torch.equal(target.soft(3), FINDINGS)


def test_spmix_keeps_them_with_a_pairing_that_asks_for_no_class():
    spmix = SPMix(patch_size=4, pairing=RandomPairing())
    mixed, labels = spmix(FILMS, FINDINGS)
    assert labels is FINDINGS
    assert not torch.equal(mixed, FILMS)


def test_shares_that_sum_to_one_go_through_every_loss():
    shares = torch.tensor([[0.5, 0.5, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0.2, 0.3, 0.5]])
    target = MixedTarget(shares, shares.roll(1, 0), torch.tensor([0.3, 1, 0.5, 0.8, 0.0]))
    logits = torch.randn(5, 3, generator=seeded(3))
    for criterion in (FocalLoss(), BalancedSoftmaxLoss([9, 5, 1])):
        torch.testing.assert_close(criterion(logits, target), criterion(logits, target.soft(3)))
    views = F.normalize(torch.randn(5, 4, generator=seeded(4)), dim=1)
    contrast = SupervisedContrastiveLoss()
    torch.testing.assert_close(contrast(views, target), contrast(views, target.soft(3)))


WAY_OUT = r"those go through pairings and mixes without class counts, and target.loss\(nn.BCEWithLogitsLoss"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: InBatch(Remix([9, 5, 1]), RandomPairing())(FILMS, FINDINGS),
            f"first_labels: expected one cl.*{WAY_OUT}",
        ),
        (lambda: InBatch(UniMix([9, 5, 1]), RandomPairing())(FILMS, FINDINGS), WAY_OUT),
        (lambda: InBatch(MixUp(), HeadTailPairing([9, 5, 1]))(FILMS, FINDINGS), f"labels: expected one cl.*{WAY_OUT}"),
        (lambda: InBatch(MixUp(), BalancedPairing())(FILMS, FINDINGS), WAY_OUT),
        (lambda: SPMix([9, 5, 1], patch_size=4)(FILMS, FINDINGS), WAY_OUT),
        (lambda: FocalLoss()(FINDINGS, MixedTarget.hard(FINDINGS)), r"sum to 1 .*several classes an image need a loss"),
        (
            lambda: FocalLoss()(FINDINGS, FINDINGS),
            r"sum to 1 .*several classes an image need a loss for each class, as",
        ),
        (lambda: SupervisedContrastiveLoss()(FINDINGS, MixedTarget.hard(FINDINGS)), "several classes an image need a"),
        (
            lambda: MixUp()(FILMS, FINDINGS + 1, FILMS, FINDINGS),
            r"first_labels: expected values in \[0, 1\], got 1 to 2",
        ),
        (lambda: MixUp()(FILMS, FINDINGS, FILMS, FINDINGS[:, :2]), r"second_labels: expected shape \[5, 3\] like fir"),
        (lambda: MixUp()(FILMS, FINDINGS, FILMS, torch.arange(5)), r"second_labels: expected shape \[5, 3\] like fir"),
        (lambda: MixUp()(FILMS, FINDINGS[:, :0], FILMS, FINDINGS[:, :0]), "first_labels: expected a share for each of"),
        (
            lambda: MixedTarget.hard(FINDINGS).soft(4),
            r"labels: expected a share for each of 4 classes, got shape \[5, 3",
        ),
        (lambda: MixedTarget(FINDINGS, FINDINGS, torch.ones(5, 3)).check(), r"lam: expected shape \[5\] like labels"),
        (lambda: MixedTarget.hard(FINDINGS).loss(nn.BCELoss(), FINDINGS), "per_sample_criterion: expected one loss f"),
        (lambda: LSM()(FILMS, FINDINGS[:2], FILMS, FINDINGS, FILMS[:, :1]), "tail_labels: expected one for each of 5"),
    ],
)
def test_elsewhere_the_error_names_the_way_out(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_whole_numbers_are_told_to_be_made_floats():
    with pytest.raises(
        TypeError, match=r"labels: expected 0.0 and 1.0 for each class in labels \[B, K\], as float\(\) makes"
    ):
        InBatch(CutMix(), RandomPairing())(FILMS, FINDINGS.long())
