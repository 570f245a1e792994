"""What the tables report, and their intervals: images of one lesion are resampled together, methods are paired."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_auroc, multiclass_calibration_error

from longtail_mix import ClassGroups
from reproduction.training.judging import Judged

REPLICATES = 2000
MEASURES = ("balanced_accuracy", "few_recall", "accuracy", "macro_f1")


def measures_of_confusion(confusion: Tensor, groups: ClassGroups) -> dict[str, Tensor]:
    """Measures in [0, 1] of confusion matrices [..., K, K], rows the true class; "recall" [..., K], the others [...].

    "few_recall" is the mean of the recalls of the few classes, each class counting the same.
    """
    hits, shown, called = confusion.diagonal(dim1=-2, dim2=-1), confusion.sum(-1), confusion.sum(-2)
    recall = hits / shown
    return {
        "balanced_accuracy": recall.mean(-1),
        "few_recall": recall[..., list(groups.few)].mean(-1),
        "accuracy": hits.sum(-1) / shown.sum(-1),
        "macro_f1": (2 * hits / (shown + called)).mean(-1),
        "recall": recall,
    }


def confusion_of(judged: Judged, weights: Tensor | None = None) -> Tensor:
    """The confusion matrix [K, K] of one training, or of weighted images [R, N] -> [R, K, K]; float64."""
    labels, classes = judged.side.labels.cpu(), judged.logits.shape[1]
    cells = labels * classes + judged.logits.argmax(1)
    counted = torch.ones(1, len(labels), dtype=torch.float64) if weights is None else weights
    confusion = torch.zeros(len(counted), classes**2, dtype=torch.float64).index_add(1, cells, counted)
    confusion = confusion.view(-1, classes, classes)
    return confusion[0] if weights is None else confusion


def on_one_side(judged: Sequence[Judged]) -> bool:
    """Whether every seed judged the same images; else each has a fold of its own."""
    return all(one.side.groups == judged[0].side.groups for one in judged)


def measured(judged: Sequence[Judged], groups: ClassGroups) -> dict[str, Tensor]:
    """Measures over all seeds: the mean over seeds of one side, or those of all folds together."""
    if on_one_side(judged):
        each = [measures_of_confusion(confusion_of(one), groups) for one in judged]
        return {name: torch.stack([measures[name] for measures in each]).mean(0) for name in each[0]}
    return measures_of_confusion(torch.stack([confusion_of(one) for one in judged]).sum(0), groups)


def replicates(judged: Sequence[Judged], groups: ClassGroups, number: int = REPLICATES) -> dict[str, Tensor]:
    """The measures of resampled lesions, [R] or [R, K]; and of resampled seeds where all judged the same images.

    Lesions are resampled within their class. For the same lesions and seeds the same are drawn at every call, so that
    the difference of two methods' replicates is paired.
    """
    by_seed = [confusion_of(one, weights) for one, weights in zip(judged, lesion_weights(judged, number), strict=True)]
    if not on_one_side(judged):
        return measures_of_confusion(torch.stack(by_seed).sum(0), groups)
    each = [measures_of_confusion(confusion, groups) for confusion in by_seed]
    generator = torch.Generator().manual_seed(1)
    chosen = torch.randint(len(judged), (number, len(judged)), generator=generator)
    rows = torch.arange(number).unsqueeze(1)
    return {name: torch.stack([measures[name] for measures in each])[chosen, rows].mean(1) for name in each[0]}


def lesion_weights(judged: Sequence[Judged], number: int) -> list[Tensor]:
    """How often each image is in each resample, [R, N] for each training: lesions are drawn within their class."""
    generator = torch.Generator().manual_seed(0)
    label_of = {
        group: label for one in judged for group, label in zip(one.side.groups, one.side.labels.tolist(), strict=True)
    }
    names = sorted(label_of, key=lambda name: (label_of[name], name))
    place = {name: i for i, name in enumerate(names)}
    labels = torch.tensor([label_of[name] for name in names])
    times = torch.zeros(number, len(names), dtype=torch.float64)
    for label in labels.unique().tolist():
        members = (labels == label).nonzero().flatten()
        drawn = members[torch.randint(len(members), (number, len(members)), generator=generator)]
        times.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
    return [times[:, [place[name] for name in one.side.groups]] for one in judged]


def interval(values: Tensor) -> list[float]:
    """The middle 95 % of replicates [R], in percent."""
    ends = torch.tensor([0.025, 0.975], dtype=values.dtype)
    return [100 * end for end in torch.quantile(values, ends).tolist()]


def auroc(judged: Sequence[Judged]) -> list[float]:
    """The mean over classes of one against the rest, for each seed."""
    return [float(multiclass_auroc(one.logits.double(), one.side.labels.cpu(), one.logits.shape[1])) for one in judged]


def calibration_error(judged: Sequence[Judged], bins: int = 15) -> list[float]:
    """ECE of the largest probability, for each seed."""
    return [
        float(multiclass_calibration_error(one.logits.softmax(1), one.side.labels.cpu(), one.logits.shape[1], bins))
        for one in judged
    ]


def reliability(judged: Sequence[Judged], bins: int = 15) -> list[list[float]]:
    """For each bin of the largest probability: its mean, how often it is right, its share of the images; none empty."""
    probability = torch.cat([one.logits.softmax(1).amax(1) for one in judged])
    right = torch.cat([one.logits.argmax(1) == one.side.labels.cpu() for one in judged]).double()
    own = (probability * bins).long().clamp(max=bins - 1)
    return [
        [float(probability[own == b].mean()), float(right[own == b].mean()), float((own == b).double().mean())]
        for b in own.unique().tolist()
    ]
