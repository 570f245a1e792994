"""The weighting study's report: measures against torchmetrics, splits averaged, the paper's figures."""

import pytest
import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from reproduction.data.task import Images
from reproduction.papers.weighting import FIGURES, LOSSES, TABLES
from reproduction.reports.cbam import attention_maps, examples
from reproduction.reports.measures import confusion_of
from reproduction.reports.weighting import (
    NAMES,
    measures_of_confusion,
    printed,
    recall_bars,
    summarise,
    tables,
)
from reproduction.training.judging import Judged

FACTS = {"classes": ("a", "b", "c")}


def judged(name: str, split: int, logits: torch.Tensor, labels: torch.Tensor) -> Judged:
    groups = tuple(f"{split}-{i // 6 * 3 + i % 3}" for i in range(len(labels)))
    side = Images(torch.zeros(len(labels), 3, 2, 2, dtype=torch.uint8), labels, groups)
    return Judged(name, split, {"logits": logits}, side, FACTS)


@pytest.mark.parametrize("seed", [0, 1])
def test_measures_of_a_confusion_matrix_equal_torchmetrics(seed):
    labels = torch.arange(50) % 3
    logits = torch.randn(50, 3, generator=torch.Generator().manual_seed(seed))
    logits[:, 0] -= 10  # never named: its precision is 0
    measured = measures_of_confusion(confusion_of(judged("x", 0, logits, labels)))
    for name, of, average in (
        ("Acc", multiclass_accuracy, "micro"),
        ("BAcc", multiclass_recall, "macro"),
        ("mPR", multiclass_precision, "macro"),
        ("mF1", multiclass_f1_score, "macro"),
        ("recall", multiclass_recall, "none"),
    ):
        torch.testing.assert_close(measured[name].float(), of(logits, labels, 3, average=average))


def test_the_summary_averages_splits_and_pairs_differences():
    labels = torch.arange(60) % 3
    right, wrong = torch.eye(3)[labels], torch.eye(3)[(labels + 1) % 3]
    runs = [
        judged(f"flat-ce-{weights}", split, logits, labels)
        for split, base in ((0, wrong), (1, right))
        for weights, logits in (("none", base), ("es", base), ("cb", right))
    ]
    summary = summarise(runs)
    assert summarise(runs[::-1]).items() >= summary.items()
    none, same, better = (summary[f"flat-ce-{name}"] for name in ("none", "es", "cb"))
    assert none["Acc"]["mean"] == 50
    assert "difference" not in none
    assert same["difference"]["BAcc"] == {"mean": 0, "interval": [0, 0]}
    assert better["difference"]["BAcc"]["mean"] == 50
    assert better["recall"]["a"] == {"mean": 100, "interval": [100, 100]}
    text = tables(summary, "sgd", True)
    assert "As Table 4: flat, sgd" in text
    assert "| CEL | - | 50.0 [50.0, 50.0] (78.5) | 50.0 [50.0, 50.0] (46.1) |" in text
    assert "(78.5)" not in tables(summary, "sgd", False)
    assert len(recall_bars(summary).axes) == 1


def test_the_papers_figures():
    assert TABLES == {("flat", "adam"): 2, ("hierarchical", "adam"): 3, ("flat", "sgd"): 4, ("hierarchical", "sgd"): 5}
    # All 160 of them by their sum, and by a sum in which the places count, so that none can change alone or be swapped.
    numbers = [float(n) for rows in FIGURES.values() for row in rows for n in row.split()]
    assert len(numbers) == 4 * 2 * 5 * 4
    assert sum(numbers) == pytest.approx(11129.6, abs=0.04)
    assert sum(place * number for place, number in enumerate(numbers)) == pytest.approx(829288.1, abs=0.04)
    for key in FIGURES:
        for loss in LOSSES:
            for weights in NAMES:
                row = printed(*key, loss, weights)
                assert row is None if weights == "class-ohem" else len(row) == 4
    assert printed("flat", "adam", "ce", "ohem") == [84.5, 74.0, 77.0, 74.5]
    assert printed("hierarchical", "adam", "ce", "cb") == [84.0, 78.4, 76.0, 76.5]
    assert printed("hierarchical", "sgd", "focal", "none") == [78.0, 49.0, 55.0, 51.0]


def test_hard_images_are_wrong_for_one_and_easy_ones_right_for_all():
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    side = Images(torch.zeros(6, 3, 4, 4, dtype=torch.uint8), labels, tuple("abcdef"))
    maps = {"place": torch.rand(6, 1, 2, 2), "channel": torch.rand(6, 1, 2, 2)}
    said = {"hierarchical-ce-none": [0, 1, 1, 1, 0, 0], "hierarchical-ce-es": [0, 0, 0, 1, 2, 2]}
    both = [Judged(name, 0, {"logits": torch.eye(3)[own], **maps}, side, FACTS) for name, own in said.items()]
    assert examples(both, hard=True) == [1, 2, 4]
    assert examples(both, hard=False) == [0, 3]
    figure = attention_maps(both, hard=False)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:5] == ["a", "hierarchical-ce-none: a", "best channel", "hierarchical-ce-es: a", "best channel"]
    assert len(figure.axes) == 2 * 5
    shown = [axis.images[-1].get_array() for axis in figure.axes]
    assert torch.equal(torch.as_tensor(shown[6]), maps["place"][3, 0])
    assert torch.equal(torch.as_tensor(shown[7]), maps["channel"][3, 0])
    assert not attention_maps(both[1:], hard=True).axes[5:]  # one image
