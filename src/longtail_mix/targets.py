"""The label of a mixed image: two classes and how much of it belongs to the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix._checks import (
    MOST_CLASSES,
    check_callable,
    check_labels,
    check_labels_or_shares,
    check_same_device,
    check_share,
    check_tensor,
    check_whole,
    values_are_readable,
)

__all__ = ["MixedTarget", "Target", "soft_labels"]


class _Parts(NamedTuple):
    labels: Tensor
    other: Tensor
    lam: Tensor


class MixedTarget(_Parts):
    """Labels of mixed images: ``lam`` of each belongs to `labels`, the rest to `other`.

    A label is a class, or a row with a share of each class: 0.0 and 1.0 where an image has several classes.

    A named tuple of tensors, so that data loaders, pinned memory, ``torch.compile``, accelerate and Lightning move it
    as they move a batch. It has :meth:`to`, for timm's prefetcher, and is also made from one iterable of its parts, as
    the Trainer of Hugging Face makes every tuple anew. Its methods check it.

    Args:
        labels: classes of the first images of the pairs [B], integers; or a share of each class in [0, 1] [B, K],
            floating point.
        other: those of their partners, likewise.
        lam: the share of `labels` in the target [B], floating point in [0, 1].

    Example:
        >>> target = MixedTarget(torch.tensor([0, 2]), torch.tensor([1, 1]), torch.tensor([0.75, 1.0]))
        >>> target.soft(3)
        tensor([[0.7500, 0.2500, 0.0000],
                [0.0000, 0.0000, 1.0000]])
        >>> logits = torch.zeros(2, 3)
        >>> target.loss(torch.nn.CrossEntropyLoss(reduction="none"), logits)
        tensor(1.0986)

        Several classes an image:

        >>> findings, others = torch.tensor([[1.0, 0.0, 1.0]]), torch.tensor([[0.0, 0.0, 1.0]])
        >>> target = MixedTarget(findings, others, torch.tensor([0.75]))
        >>> target.soft(3), target.loss(torch.nn.BCEWithLogitsLoss(reduction="none"), torch.zeros(1, 3))
        (tensor([[0.7500, 0.0000, 1.0000]]), tensor(0.6931))
    """

    __slots__ = ()

    def __new__(
        cls, labels: Tensor | Iterable[Tensor], other: Tensor | None = None, lam: Tensor | None = None
    ) -> MixedTarget:
        """The three parts, or one iterable of them."""
        if other is None and lam is None and not isinstance(labels, Tensor):
            labels, other, lam = labels
        if not isinstance(labels, Tensor) or other is None or lam is None:
            raise TypeError("labels, other, lam: expected three tensors, or one iterable of the three")
        return super().__new__(cls, labels, other, lam)

    def to(self, device: torch.device | str | int | None = None, non_blocking: bool = False) -> MixedTarget:
        """The same on another device."""
        return MixedTarget(*(part.to(device=device, non_blocking=non_blocking) for part in self))

    @classmethod
    def hard(cls, labels: Tensor) -> MixedTarget:
        """The labels of images that are not mixed, [B] or [B, K]: `lam` is 1 for each."""
        check_labels_or_shares(labels)
        labels = as_target(labels)
        return cls(labels, labels, torch.ones(len(labels), device=labels.device))

    def soft(self, num_classes: int) -> Tensor:
        """The share of each class [B, num_classes], in the dtype of `lam`; of classes each row sums to 1.

        Raises:
            TypeError, ValueError: labels outside ``0 .. num_classes - 1``, `lam` outside [0, 1], lengths or devices
                that differ (values are read on the CPU outside ``torch.compile`` only).
        """
        check_whole(num_classes, "num_classes", 1, MOST_CLASSES)
        self.check(num_classes)
        lam = self.lam.unsqueeze(1)
        first, second = (
            labels.to(lam.dtype) if labels.is_floating_point() else F.one_hot(labels.long(), num_classes)
            for labels in (self.labels, self.other)
        )
        return lam * first + (1 - lam) * second

    def losses(self, per_sample_criterion: Callable[[Tensor, Tensor], Tensor], logits: Tensor) -> Tensor:
        """``lam * criterion(logits, labels) + (1 - lam) * criterion(logits, other)`` for each image: [B].

        Args:
            per_sample_criterion: takes logits and integer labels [B] and returns [B], as
                ``nn.CrossEntropyLoss(reduction="none")`` does. With labels [B, K] it may also return one loss for each
                class [B, K], as ``nn.BCEWithLogitsLoss(reduction="none")``; their mean is the image's.
            logits: [B, K] or whatever the criterion takes.

        Raises:
            TypeError, ValueError: as :meth:`soft`; a criterion that does not return one loss per image.
        """
        self.check()
        check_callable(per_sample_criterion, "per_sample_criterion", "a function of logits and labels")
        check_tensor(logits, "logits")
        check_same_device(self.labels, logits, "labels", "logits")
        first, second = (self._each(per_sample_criterion, logits, labels) for labels in (self.labels, self.other))
        return self.lam * first + (1 - self.lam) * second

    def _each(self, criterion: Callable[[Tensor, Tensor], Tensor], logits: Tensor, labels: Tensor) -> Tensor:
        """One loss for each image [B]."""
        loss = criterion(logits, as_target(labels))
        check_tensor(loss, "per_sample_criterion")
        if labels.ndim == 2 and loss.shape == labels.shape:
            return loss.mean(1)
        if loss.shape != self.lam.shape:
            raise ValueError(
                f"per_sample_criterion: expected one loss for each of {len(self.lam)} images "
                f'(reduction="none"), got shape {list(loss.shape)}'
            )
        return loss

    def loss(self, per_sample_criterion: Callable[[Tensor, Tensor], Tensor], logits: Tensor) -> Tensor:
        """The mean of :meth:`losses` over the batch, a scalar; zero, with a graph, for an empty batch."""
        losses = self.losses(per_sample_criterion, logits)
        return losses.sum() / max(len(losses), 1)

    def check(self, num_classes: int | None = None) -> None:
        """Raise unless the three tensors fit each other and are in range."""
        if num_classes is not None:
            check_whole(num_classes, "num_classes", 1, MOST_CLASSES)
        check_labels_or_shares(self.labels, num_classes)
        check_labels_or_shares(self.other, num_classes, "other")
        check_share(self.lam, "lam")
        for tensor, name, shape in ((self.other, "other", self.labels.shape), (self.lam, "lam", self.labels.shape[:1])):
            check_same_device(self.labels, tensor, "labels", name)
            if tensor.shape != shape:
                raise ValueError(f"{name}: expected shape {list(shape)} like labels, got {list(tensor.shape)}")


def as_target(labels: Tensor) -> Tensor:
    """Labels as a target holds them: classes as int64, as torch's losses take no others; shares as they are."""
    return labels if labels.is_floating_point() else labels.long()


Target: TypeAlias = Tensor | MixedTarget
"""What a loss takes: integer labels [B], class shares [B, K], or a :class:`MixedTarget`."""


def soft_labels(target: Target, num_classes: int) -> Tensor:
    """The share of each class in each image's label, [B, num_classes], float32 or as the target has it.

    Args:
        target: integer labels [B], shares [B, num_classes] (floating point, each row sums to 1), or a
            :class:`MixedTarget`.
        num_classes: K.

    Raises:
        TypeError, ValueError: labels out of range, shares of another shape, or (on the CPU, uncompiled) shares that
            are negative or do not sum to 1, as those of an image with several classes.

    Example:
        >>> soft_labels(torch.tensor([2, 0]), 3)
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    if isinstance(target, MixedTarget):
        if not target.labels.is_floating_point():
            return target.soft(num_classes)
        target = target.soft(num_classes)
    check_tensor(target, "target")
    if not target.is_floating_point():
        check_labels(target, num_classes, "target")
        return F.one_hot(target.long(), num_classes).to(torch.float32)
    if target.ndim != 2 or target.shape[1] != num_classes or not num_classes:
        raise ValueError(f"target: expected shares [B, {num_classes}], got shape {list(target.shape)}")
    if values_are_readable(target) and len(target):
        sums = target.detach().double().sum(1)
        # NaN fails both comparisons; half precision rounds each share by up to 1/256.
        if not ((target >= 0).all() and ((sums - 1).abs() <= 0.02).all()):
            raise ValueError(
                "target: expected shares of at least 0 that sum to 1 for each image, "
                f"got a smallest share of {target.min():.3g} and sums of {sums.min():.3g} to {sums.max():.3g}; several "
                'classes an image need a loss for each class, as target.loss(nn.BCEWithLogitsLoss(reduction="none"), '
                "logits) of a MixedTarget"
            )
    return target
