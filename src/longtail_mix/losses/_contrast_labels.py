"""Which images belong together: the labels of queries, keys and queue, checked, gathered and compared."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix._checks import check_integers, check_labels, check_same_device, check_tensor, values_are_readable
from longtail_mix._distributed import gather
from longtail_mix.targets import MixedTarget, Target, soft_labels

__all__ = ["affinity", "check_queue_labels", "check_target", "contrast_shares", "gather_target"]


def check_target(target: Target, features: Tensor, whose: str, name: str) -> None:
    """Raise unless the labels are there, one for each of the features."""
    if isinstance(target, MixedTarget):
        target.check()
        first = target.labels
        if first.is_floating_point():
            soft_labels(target, first.shape[1])
    else:
        check_tensor(target, name)
        if target.is_floating_point():
            soft_labels(target, target.shape[-1] if target.ndim else 0)
        else:
            check_labels(target, None, name)
        first = target
    check_same_device(features, first, whose, name)
    if len(first) != len(features):
        raise ValueError(f"{name}: expected one for each of {len(features)} {whose}, got {len(first)}")


def check_queue_labels(labels: Tensor, queue: Tensor) -> None:
    """Raise unless there is a label for each place of the queue, -1 for an empty one."""
    check_integers(labels, "queue_labels", "labels")
    check_same_device(queue, labels, "queue", "queue_labels")
    if labels.shape != queue.shape[:1]:
        raise ValueError(f"queue_labels: expected shape [{len(queue)}], one for each place, got {list(labels.shape)}")
    if values_are_readable(labels) and (labels.long() < -1).any():
        raise ValueError(f"queue_labels: expected labels of at least 0, or -1 for an empty place, got {labels.min()}")


def gather_target(target: Target) -> Target:
    """The labels of all ranks, in their order."""
    if isinstance(target, MixedTarget):
        return MixedTarget(_gather_labels(target.labels), _gather_labels(target.other), gather(target.lam))
    return _gather_labels(target)


def _gather_labels(labels: Tensor) -> Tensor:
    return gather(labels if labels.is_floating_point() else labels.long())  # gloo has no int16


def affinity(first: Target, second: Target, dtype: torch.dtype) -> Tensor:
    """The inner products of the class shares of two sets of labels, [A, B]; an empty place belongs to nobody."""
    for each in (first, second):
        labels = each.labels if isinstance(each, MixedTarget) else each
        if labels.is_floating_point():
            return _shares(first, labels.shape[1], dtype) @ _shares(second, labels.shape[1], dtype).t()
    # Without shares nobody says how many classes there are, and nobody needs to.
    products = [
        (labels.unsqueeze(1) == others).to(dtype) * share.unsqueeze(1) * other_share
        for labels, share in _parts(first, dtype)
        for others, other_share in _parts(second, dtype)
    ]
    return torch.stack(products).sum(0)


def contrast_shares(labels: tuple[Target, ...], num_classes: int, dtype: torch.dtype) -> Tensor:
    """The class shares of the contrasts, [C, num_classes]; zeros for an empty place of the queue."""
    return torch.cat([_shares(each, num_classes, dtype) for each in labels])


def _parts(target: Target, dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    """The labels of a target and how much of it each is: one of labels, two of a MixedTarget."""
    if isinstance(target, MixedTarget):
        lam = target.lam.detach().to(dtype)
        return [(target.labels, lam), (target.other, 1 - lam)]
    return [(target, torch.ones_like(target, dtype=dtype))]


def _shares(target: Target, num_classes: int, dtype: torch.dtype) -> Tensor:
    """As ``soft_labels``, with zeros for the label -1, and no gradient."""
    if isinstance(target, MixedTarget) or target.is_floating_point():
        return soft_labels(target, num_classes).detach().to(dtype)
    filled = target >= 0
    labels = target.clamp(min=0)
    check_labels(labels, num_classes, "target, key_labels, queue_labels")
    return F.one_hot(labels.long(), num_classes).to(dtype) * filled.unsqueeze(1)
