"""Measures against loops over images, and a bootstrap against one that copies images."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.functional.classification import multiclass_f1_score, multiclass_recall

from longtail_mix import ClassGroups
from reproduction.data.task import Images
from reproduction.reports.measures import (
    auroc,
    calibration_error,
    confusion_of,
    interval,
    lesion_weights,
    measured,
    measures_of_confusion,
    reliability,
    replicates,
)
from reproduction.training.judging import Judged

GROUPS = ClassGroups((0,), (1,), (2, 3))


def judged(seed: int = 0, images: int = 60, name: str = "a", prefix: str = "g", groups: int = 30) -> Judged:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(images) % 4
    # A lesion shows one class: images i and i + `groups` share one.
    lesions = tuple(f"{prefix}{i % 4}-{i % groups // 4}" for i in range(images))
    logits = torch.randn(images, 4, generator=generator) + 1.5 * torch.nn.functional.one_hot(labels, 4)
    side = Images(torch.zeros(images, 3, 4, 4, dtype=torch.uint8), labels, lesions)
    return Judged(name, seed, {"logits": logits}, side, {})


def test_measures_equal_torchmetrics_and_few_is_the_mean_recall_of_the_rare_classes():
    one = judged()
    measures = measured([one], GROUPS)
    recall = multiclass_recall(one.logits, one.side.labels, 4, average="none")
    assert torch.allclose(measures["recall"].float(), recall)
    assert measures["balanced_accuracy"] == pytest.approx(recall.mean().item())
    assert measures["few_recall"] == pytest.approx(recall[2:].mean().item())
    assert measures["accuracy"] == pytest.approx((one.logits.argmax(1) == one.side.labels).double().mean().item())
    f1 = multiclass_f1_score(one.logits, one.side.labels, 4, average="macro")
    assert measures["macro_f1"] == pytest.approx(f1.item())
    assert 0.2 < measures["few_recall"] < 0.95  # neither nothing nor everything is right


def test_rows_of_the_confusion_are_the_true_class():
    one = judged(images=4)
    one.logits[:] = 0
    one.logits[:, 1] = 9.0
    assert confusion_of(one).tolist() == [[0, 1, 0, 0]] * 4


def test_seeds_of_one_side_are_averaged_and_folds_are_put_together():
    first, second = judged(0), judged(1)
    both = measured([first, second], GROUPS)
    mean = (measured([first], GROUPS)["macro_f1"] + measured([second], GROUPS)["macro_f1"]) / 2
    assert both["macro_f1"] == pytest.approx(mean.item())
    fold = judged(1, images=20, prefix="h", groups=20)
    pooled = measured([first, fold], GROUPS)
    right = sum((one.logits.argmax(1) == one.side.labels).sum().item() for one in (first, fold))
    assert pooled["accuracy"] == pytest.approx(right / 80)


def test_a_replicate_is_the_measure_of_the_images_drawn_as_often_as_their_lesion():
    one = judged()
    (weights,) = lesion_weights([one], 5)
    drawn = replicates([one], GROUPS, 5)
    for r in range(5):
        rows = torch.arange(60).repeat_interleave(weights[r].long())
        copied = Judged("a", 0, {"logits": one.logits[rows]}, one.side.rows(rows), {})
        assert drawn["macro_f1"][r] == pytest.approx(measured([copied], GROUPS)["macro_f1"].item())
        assert drawn["few_recall"][r] == pytest.approx(measured([copied], GROUPS)["few_recall"].item())


def test_lesions_are_drawn_within_their_class_whole_and_the_same_for_every_method():
    one = judged()
    (weights,) = lesion_weights([one], 200)
    lesions: dict[str, list[int]] = {}
    for row, lesion in enumerate(one.side.groups):
        lesions.setdefault(lesion, []).append(row)
    for rows in lesions.values():
        assert (weights[:, rows] == weights[:, rows[:1]]).all()
    first_of = [rows[0] for rows in lesions.values()]
    for label in range(4):
        own = [row for row in first_of if one.side.labels[row] == label]
        assert (weights[:, own].sum(1) == len(own)).all()
    assert weights.std() > 0.5
    other = judged(7, name="b")
    assert torch.equal(lesion_weights([other], 200)[0], weights)


def test_seeds_are_resampled_where_they_judge_the_same_images():
    same, better = judged(0), judged(1)
    better.logits[:] = 9.0 * torch.nn.functional.one_hot(better.side.labels, 4)
    spread = replicates([same, better], GROUPS)["balanced_accuracy"]
    assert (spread == 1).double().mean() == pytest.approx(0.25, abs=0.05)  # both draws are the better seed


def test_interval_is_the_middle_95_percent():
    assert interval(torch.arange(1001, dtype=torch.float64) / 1000) == pytest.approx([2.5, 97.5])


def test_auroc_calibration_and_reliability_by_hand():
    one = judged()
    probability = one.logits.softmax(1)
    by_class = []
    for label in range(4):
        positive, negative = probability[one.side.labels == label, label], probability[one.side.labels != label, label]
        by_class.append((positive[:, None] > negative).double().mean().item())
    assert auroc([one])[0] == pytest.approx(sum(by_class) / 4)
    bins = reliability([one])
    assert sum(share for *_, share in bins) == pytest.approx(1)
    error = sum(share * abs(sure - right) for sure, right, share in bins)
    assert calibration_error([one])[0] == pytest.approx(error, abs=1e-6)


def test_measures_of_confusion_by_hand():
    confusion = torch.tensor([[8.0, 2.0], [1.0, 3.0]])
    measures = measures_of_confusion(confusion, ClassGroups((0,), (), (1,)))
    assert measures["recall"].tolist() == pytest.approx([0.8, 0.75])
    assert measures["few_recall"].item() == 0.75
    assert measures["accuracy"].item() == pytest.approx(11 / 14)
    assert measures["macro_f1"].item() == pytest.approx((16 / 19 + 6 / 9) / 2)
