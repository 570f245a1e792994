"""Weights by loss: the easiest or the hardest images of a batch first, more of them from epoch to epoch."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import (
    check_floating,
    check_integers,
    check_labels,
    check_same_device,
    check_tensor,
    check_whole,
)
from longtail_mix._module import Module
from longtail_mix.weighting.pace import Pace

__all__ = [
    "ClassWiseHardExamples",
    "HardExamples",
    "SelfPaced",
    "class_wise_hard_examples",
    "hard_examples",
    "self_paced",
]


def self_paced(losses: Tensor, count: int | Tensor) -> Tensor:
    """1 for the `count` images of lowest loss, 0 for the others: self-paced learning (Kumar et al. 2010).

    The same in plain PyTorch: ``(losses.argsort(stable=True).argsort() < count).to(losses)``. Of equal losses the
    first in the batch counts. No gradient passes.

    Args:
        losses: one for each image [B], floating point.
        count: how many count; a number, or an integer tensor without dimensions, on the device of `losses`.

    Returns:
        Weights [B], 0 or 1, exactly ``min(count, B)`` ones.

    Raises:
        TypeError, ValueError: losses that are not [B] or not floating point, a count below 0.

    Example:
        >>> self_paced(torch.tensor([0.3, 0.1, 0.3, 2.0]), 2)
        tensor([1., 1., 0., 0.])
    """
    check_losses(losses)
    check_count(count, losses)
    return (_rank(losses, descending=False) < count).to(losses.dtype)


def hard_examples(losses: Tensor, count: int | Tensor) -> Tensor:
    """1 for the `count` images of highest loss, 0 for the others: online hard example mining (Shrivastava et al.
    2016).

    The same in plain PyTorch: ``(losses.argsort(descending=True, stable=True).argsort() < count).to(losses)``. Of
    equal losses the first in the batch counts. No gradient passes.

    Args:
        losses: one for each image [B], floating point.
        count: how many count, as in :func:`self_paced`.

    Returns:
        Weights [B], 0 or 1, exactly ``min(count, B)`` ones.

    Raises:
        TypeError, ValueError: as :func:`self_paced`.

    Example:
        >>> hard_examples(torch.tensor([0.3, 0.1, 0.3, 2.0]), 2)
        tensor([1., 0., 0., 1.])
    """
    check_losses(losses)
    check_count(count, losses)
    return (_rank(losses, descending=True) < count).to(losses.dtype)


def class_wise_hard_examples(losses: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
    """1 for the images of highest loss of each class, 0 for the others; the mining within classes that Barata and
    Santiago 2021 name as future work.

    The same for one class: ``hard_examples(losses[labels == c], counts[number of images of c])``.

    Args:
        losses: one for each image [B], floating point.
        labels: integer classes [B].
        counts: how many count of a class with 0, 1, 2, ... images in the batch: [at least B + 1], integers.

    Returns:
        Weights [B], 0 or 1.

    Raises:
        TypeError, ValueError: losses or labels that are not [B], counts that do not reach B.

    Example:
        >>> half = torch.arange(7) // 2
        >>> class_wise_hard_examples(torch.arange(6.0), torch.tensor([0, 0, 0, 0, 1, 1]), half)
        tensor([0., 0., 1., 1., 0., 1.])
    """
    check_losses(losses)
    check_labels(labels)
    check_integers(counts, "counts")
    check_same_device(losses, labels, "losses", "labels")
    check_same_device(losses, counts, "losses", "counts")
    if labels.shape != losses.shape:
        raise ValueError(f"labels: expected integer labels [{len(losses)}], got {labels.dtype} {list(labels.shape)}")
    if counts.ndim != 1 or len(counts) <= len(losses):
        raise ValueError(
            f"counts: expected an integer for each of 0 to {len(losses)} images, "
            f"got {counts.dtype} {list(counts.shape)}"
        )
    losses = losses.detach()
    position = torch.arange(len(losses), device=losses.device)
    same = labels.unsqueeze(1) == labels  # [B, B]: image j, down, beside image i, across
    harder = losses.unsqueeze(1) > losses
    first = (losses.unsqueeze(1) == losses) & (position.unsqueeze(1) < position)
    rank = (same & (harder | first)).sum(0)  # how many of its class come before image i
    return (rank < counts[same.sum(0)]).to(losses.dtype)


def check_pace(pace: Pace) -> Pace:
    """A :class:`Pace`, as the curricula ask for."""
    if not isinstance(pace, Pace):
        raise TypeError(f"pace: expected a Pace, got {type(pace).__name__}")
    return pace


def check_batch(losses: Tensor, pace: Pace) -> None:
    """Losses where the pace is, no more of them than it was made for."""
    check_same_device(pace.kept, losses, "pace", "losses")
    if len(losses) > pace.batch_size:
        raise ValueError(f"losses: expected at most batch_size = {pace.batch_size} of them, got {len(losses)}")


def check_losses(losses: Tensor) -> None:
    """One loss for each image, [B]."""
    check_floating(losses, "losses")
    if losses.ndim != 1:
        raise ValueError(f'losses: expected one for each image [B] (reduction="none"), got {list(losses.shape)}')


def check_count(count: int | Tensor, losses: Tensor) -> None:
    """A whole number of at least 0, or an integer tensor without dimensions beside the losses."""
    if not isinstance(count, Tensor):
        if not torch.compiler.is_compiling():  # there it may be a symbol
            check_whole(count, "count", 0)
        return
    check_integers(count, "count")
    check_same_device(losses, count, "losses", "count")
    if count.ndim:
        raise ValueError(f"count: expected one whole number, got a tensor {count.dtype} {list(count.shape)}")


def _rank(losses: Tensor, descending: bool) -> Tensor:
    """The place of each loss in the sorted batch, [B]; equal losses in the order of the batch."""
    order = losses.argsort(stable=True, descending=descending)
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(losses), device=losses.device))


class SelfPaced(Module):
    """Self-paced learning: the easiest images of each batch count, more of them from epoch to epoch.

    Args:
        pace: how many count; call its ``set_epoch`` (or :func:`~longtail_mix.weighting.set_epoch`) every epoch.

    Shape:
        losses [B] -> weights [B], 0 or 1. The classes play no part.

    Example:
        >>> weighting = SelfPaced(Pace(epochs=10, batch_size=20))
        >>> weighting(torch.tensor([0.3, 0.1, 0.2, 2.0]))
        tensor([0., 1., 1., 0.])
    """

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self.pace = check_pace(pace)

    def forward(self, losses: Tensor, target: Tensor | None = None) -> Tensor:
        """Weights [B], 0 or 1, for losses [B]."""
        del target
        check_losses(losses)
        check_batch(losses, self.pace)
        return self_paced(losses, self.pace(len(losses)))


class HardExamples(Module):
    """Online hard example mining: the hardest images of each batch count, more of them from epoch to epoch.

    Args:
        pace: how many count; call its ``set_epoch`` (or :func:`~longtail_mix.weighting.set_epoch`) every epoch.

    Shape:
        losses [B] -> weights [B], 0 or 1. The classes play no part.

    Example:
        >>> weighting = HardExamples(Pace(epochs=10, batch_size=20))
        >>> weighting(torch.tensor([0.3, 0.1, 0.2, 2.0]))
        tensor([1., 0., 0., 1.])
    """

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self.pace = check_pace(pace)

    def forward(self, losses: Tensor, target: Tensor | None = None) -> Tensor:
        """Weights [B], 0 or 1, for losses [B]."""
        del target
        check_losses(losses)
        check_batch(losses, self.pace)
        return hard_examples(losses, self.pace(len(losses)))


class ClassWiseHardExamples(Module):
    """Hard example mining within each class: of its images in the batch the hardest count, by the same pace.

    A class with one image in the batch always keeps it.

    Args:
        pace: how many of how many count, here of each class; its ``batch_size`` is that of the whole batch.

    Shape:
        losses [B], labels [B] or class shares [B, K] -> weights [B], 0 or 1. An image with shares belongs to the
        class with the largest one, the first of equals.

    Example:
        >>> weighting = ClassWiseHardExamples(Pace(epochs=10, batch_size=20))
        >>> weighting(torch.tensor([0.3, 0.1, 0.2, 2.0, 0.05]), torch.tensor([0, 0, 0, 0, 1]))
        tensor([1., 0., 0., 1., 1.])
    """

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self.pace = check_pace(pace)

    def forward(self, losses: Tensor, target: Tensor) -> Tensor:
        """Weights [B], 0 or 1, for losses [B] and labels [B] or shares [B, K]."""
        check_losses(losses)
        check_batch(losses, self.pace)
        check_tensor(target, "target")
        check_same_device(losses, target, "losses", "target")
        if target.ndim not in (1, 2) or len(target) != len(losses) or 0 in target.shape[1:]:
            raise ValueError(f"target: expected one for each of {len(losses)} losses, got shape {list(target.shape)}")
        if target.ndim == 2:
            check_floating(target, "target")  # labels [B, 1] are no shares of one class
        else:
            check_labels(target, name="target")
        labels = target.argmax(1) if target.ndim == 2 else target
        return class_wise_hard_examples(losses, labels, self.pace.kept)
