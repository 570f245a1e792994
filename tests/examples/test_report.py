"""The report's own arithmetic: metrics from confusion matrices, and the bootstrap."""

import json

import pytest
import torch
from images import Images, Task
from report import bootstrap, interval, measure, measures_of_confusion, summarise, table, training_curve, write_report
from training import Run, Settings

from longtail_mix import ClassGroups

GROUPS = ClassGroups(many=(1,), medium=(), few=(0, 2))
LABELS = torch.tensor([0, 1, 2, 1, 1, 2]).repeat(10)  # 10, 30 and 20: no two averages agree by chance
LESIONS = tuple(str(i // 12 * 6 + i % 6) for i in range(60))  # two images of each


def logits(seed: int, strength: float) -> torch.Tensor:
    noise = torch.randn(60, 3, generator=torch.Generator().manual_seed(seed))
    return noise + strength * torch.eye(3)[LABELS]


def confusion_of(predictions: torch.Tensor) -> torch.Tensor:
    confusion = torch.zeros(3, 3, dtype=torch.float64)
    for label, prediction in zip(LABELS.tolist(), predictions.tolist(), strict=True):
        confusion[label, prediction] += 1
    return confusion


def test_measures_of_a_confusion_matrix_equal_torchmetrics():
    for seed in range(5):
        predicted = logits(seed, 1.0)
        from_confusion = measures_of_confusion(confusion_of(predicted.argmax(1)), GROUPS)
        expected = measure(predicted, LABELS, GROUPS)
        assert set(from_confusion) == set(expected)
        for name, value in expected.items():
            torch.testing.assert_close(from_confusion[name], value.double(), rtol=1e-6, atol=1e-6)


def test_bootstrap_is_centred_and_as_wide_as_lesions_say():
    runs = torch.stack([logits(seed, 1.0) for seed in range(2)])
    draws = bootstrap(runs, LABELS, LESIONS, GROUPS, replicates=4000)
    means = torch.stack([measure(run, LABELS, GROUPS)["accuracy"] for run in runs]).double()
    assert draws["accuracy"].shape == (4000,)
    assert draws["recall"].shape == (4000, 3)
    torch.testing.assert_close(draws["accuracy"].mean(), means.mean(), atol=0.01, rtol=0)
    # Whole lesions are drawn: were every image a lesion of its own, twins that agree would make it narrower.
    twins = torch.eye(3)[(LABELS + (torch.tensor([int(x) for x in LESIONS]) % 2)) % 3]
    paired = bootstrap(twins[None], LABELS, LESIONS, GROUPS, replicates=4000)["accuracy"].std()
    single = bootstrap(twins[None], LABELS, [str(i) for i in range(60)], GROUPS, replicates=4000)["accuracy"].std()
    assert paired / single == pytest.approx(2**0.5, rel=0.1)


def test_classes_keep_their_size_and_seeds_are_drawn_as_well():
    # Right on all of classes 0 and 1, wrong on class 2: without strata the accuracy would vary with the draw.
    always = torch.eye(3)[torch.where(LABELS == 2, 0, LABELS)]
    assert bootstrap(always[None], LABELS, LESIONS, GROUPS, replicates=200)["accuracy"].std() < 1e-9
    # Two seeds that disagree on everything: half of the draws take one of them twice.
    never = torch.eye(3)[(LABELS + 1) % 3]
    right = torch.eye(3)[LABELS]
    draws = bootstrap(torch.stack([right, never]), LABELS, LESIONS, GROUPS, replicates=4000)["accuracy"]
    shares = [(draws == value).double().mean().item() for value in (0.0, 0.5, 1.0)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_a_method_against_itself_differs_by_nothing(tmp_path):
    images = Images(torch.zeros(60, 3, 8, 8, dtype=torch.uint8), LABELS, LESIONS)
    task = Task("test", ("a", "b", "c"), images, images)
    runs = [Run(name, seed, 1.0, [1.0, 0.5], logits(seed, s)) for seed in (0, 1) for name, s in METHODS.items()]
    summary = summarise(task, runs, GROUPS)
    same, better = summary["same"]["accuracy"], summary["better"]["accuracy"]
    assert same["difference"] == 0
    assert same["difference_interval"] == (0, 0)
    assert better["difference_interval"][0] > 0
    # The same lesions are drawn for both methods, so what they share cancels out.
    near = summary["near"]["accuracy"]
    assert near["difference_interval"][1] - near["difference_interval"][0] < near["interval"][1] - near["interval"][0]
    first, measured = summary["first"], [measure(logits(seed, 3.0), LABELS, GROUPS) for seed in (0, 1)]
    assert better["difference"] == pytest.approx(better["mean"] - first["accuracy"]["mean"])
    assert better["by_seed"] == pytest.approx([100 * m["accuracy"].item() for m in measured])
    for c, name in enumerate(task.classes):
        recall = summary["better"]["recall"][name]
        assert recall["mean"] == pytest.approx(100 * sum(m["recall"][c].item() for m in measured) / 2, rel=1e-5)
        assert recall["interval"][0] <= recall["mean"] <= recall["interval"][1]
    wide, narrow = (summary["better"]["recall"][name]["interval"] for name in "ab")
    assert wide != narrow
    low, high = better["interval"]
    assert low < better["mean"] < high
    expected = sum(100 * measure(logits(seed, 3.0), LABELS, GROUPS)["accuracy"].item() for seed in (0, 1)) / 2
    assert better["mean"] == pytest.approx(expected)
    assert f"| better | {summary['better']['many']['mean']:.1f} [" in table(summary)
    write_report(tmp_path, task, Settings("m", 8, 2, 4, 0.1, 0.0), runs, summary)
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written["metrics"]["better"]["accuracy"]["mean"] == pytest.approx(expected)
    assert written["training_images"] == [10, 30, 20]
    assert (tmp_path / "training_curve.png").stat().st_size > 1000


def test_each_method_has_its_name_in_the_curve_whatever_its_seeds():
    runs = [Run(name, seed, 1.0, [2.0, 1.0], torch.zeros(0)) for name, seed in (("a", 0), ("a", 1), ("b", 1), ("c", 2))]
    (axis,) = training_curve(runs).axes
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["a", "b", "c"]


METHODS = {"first": 0.5, "same": 0.5, "near": 0.6, "better": 3.0}


def test_interval_is_the_middle_95_percent():
    assert interval(torch.linspace(0, 1, 1001)) == pytest.approx((2.5, 97.5))
