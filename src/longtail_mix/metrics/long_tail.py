"""Measures that show the tail: accuracy of many, medium and few, macro F1, balanced accuracy, recall per class."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassRecall

from longtail_mix._checks import (
    MOST_CLASSES,
    check_integers,
    check_labels,
    check_same_device,
    check_tensor,
    check_whole,
    check_whole_numbers,
)
from longtail_mix.class_groups import ClassGroups

__all__ = ["GroupAccuracy", "long_tail_metrics"]


class GroupAccuracy(Metric):
    """Share of the images of some classes that are recognised, as in Table 1 of the SPMix paper.

    The same in plain PyTorch::

        inside = torch.isin(labels, torch.tensor(classes))
        accuracy = (predictions == labels)[inside].float().mean()

    Args:
        classes: the classes whose images count. Predictions may be any class.

    Shape:
        update: predicted classes [B] or logits [B, K], and labels [B]; compute: a scalar in [0, 1], NaN when there was
        no image of these classes.

    Raises:
        TypeError: labels or predicted classes that are not integers.
        ValueError: no class, shapes that do not fit, or logits with NaN, of which no class is the largest.

    Example:
        >>> accuracy = GroupAccuracy(classes=(1, 2))
        >>> accuracy.update(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 2]))
        >>> accuracy.compute()
        tensor(0.5000)
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    classes: Tensor
    correct: Tensor
    total: Tensor

    def __init__(self, classes: tuple[int, ...]) -> None:
        super().__init__()
        classes = check_whole_numbers(classes, "classes")
        if not classes:
            raise ValueError("classes: expected at least one class, got none")
        self.register_buffer("classes", torch.tensor(classes), persistent=False)
        self.add_state("correct", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("total", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Count a batch."""
        check_labels(labels)
        check_predictions(predictions)
        check_same_device(labels, predictions, "labels", "predictions")
        if predictions.ndim == 2 and predictions.shape[1]:
            predictions = predictions.argmax(1)
        if predictions.shape != labels.shape:
            raise ValueError(
                f"predictions: expected {list(labels.shape)} or logits for it, got shape {list(predictions.shape)}"
            )
        check_same_device(self.classes, labels, "this metric", "labels")
        inside = torch.isin(labels, self.classes)
        self.correct += (inside & (predictions == labels)).sum()
        self.total += inside.sum()

    def compute(self) -> Tensor:
        """The accuracy so far."""
        return self.correct / self.total


def check_predictions(predictions: Tensor) -> None:
    """Classes or logits; raise ``ValueError`` for NaN, on every device: a measure waits for it anyway."""
    check_tensor(predictions, "predictions")
    if not predictions.is_floating_point():
        check_integers(predictions, "predictions", "classes or logits")
    elif predictions.device.type != "meta" and predictions.isnan().any():
        raise ValueError("predictions: expected classes or logits, got NaN")


class _LongTailMetrics(MetricCollection):
    """Refuses NaN, which torchmetrics counts as the first class; else as its base."""

    def update(self, *batch: Any, **named: Any) -> None:
        """Add a batch."""
        _refuse_nan(*batch, *named.values())
        super().update(*batch, **named)

    def forward(self, *batch: Any, **named: Any) -> dict[str, Any]:
        """Add a batch, and measure it alone."""
        _refuse_nan(*batch, *named.values())
        measured: dict[str, Any] = super().forward(*batch, **named)
        return measured


def _refuse_nan(predictions: Tensor, labels: Tensor) -> None:
    check_predictions(predictions)
    check_labels(labels)
    if predictions.ndim not in (1, 2) or len(predictions) != len(labels):
        raise ValueError(f"predictions: expected [{len(labels)}] or logits for it, got shape {list(predictions.shape)}")


def long_tail_metrics(num_classes: int, groups: ClassGroups) -> MetricCollection:
    """The columns of the tables: many, medium, few, accuracy, macro F1, balanced accuracy, recall per class.

    A group without classes has no column. Balanced accuracy is the mean of the recalls, also called MCA.

    Args:
        num_classes: number of classes K.
        groups: which classes are many, medium and few: :func:`~longtail_mix.many_medium_few`.

    Returns:
        A ``torchmetrics.MetricCollection`` to be updated with logits [B, K] or classes [B], and labels [B]; it computes
        a dict of scalars, and ``recall`` [K]. An update with NaN raises ``ValueError``.

    Raises:
        TypeError, ValueError: fewer than two classes, groups that are not a :class:`~longtail_mix.ClassGroups`.

    Example:
        >>> metrics = long_tail_metrics(3, ClassGroups(many=(0,), medium=(), few=(1, 2)))
        >>> metrics.update(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 1, 2]))
        >>> measured = metrics.compute()
        >>> measured["many"], measured["few"], measured["recall"]
        (tensor(1.), tensor(0.5000), tensor([1., 1., 0.]))
    """
    check_whole(num_classes, "num_classes", 2, MOST_CLASSES)
    num_classes = int(num_classes)
    if not isinstance(groups, ClassGroups):
        raise TypeError(f"groups: expected a ClassGroups, got {groups!r:.80}")
    by_group: dict[str, Metric | MetricCollection] = {
        name: GroupAccuracy(classes) for name, classes in groups._asdict().items() if classes
    }
    return _LongTailMetrics(
        {
            **by_group,
            "accuracy": MulticlassAccuracy(num_classes, average="micro"),
            "macro_f1": MulticlassF1Score(num_classes, average="macro"),
            "balanced_accuracy": MulticlassRecall(num_classes, average="macro"),
            "recall": MulticlassRecall(num_classes, average=None),
        },
        compute_groups=False,  # torchmetrics would merge two groups whose states agree in the first batch
    )
