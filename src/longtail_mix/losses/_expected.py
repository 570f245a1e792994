"""What all the long-tail losses share: one loss for each class an image could have, then labels, weights, a mean.

A method here is a table [B, K]: the loss of each image were it of class c. A label, hard or soft, is a share q_c of
each class, and the loss of the image is the sum of ``q_c w_c loss_c``: linear in the label and exact. Label smoothing
happens inside the table, so that a weight multiplies a whole loss and never the smoothed target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from longtail_mix._checks import (
    check_class_counts,
    check_counts_of_all,
    check_floating,
    check_has_values,
    check_number,
    check_same_device,
    check_tensor,
    values_are_readable,
)
from longtail_mix.targets import Target, soft_labels

__all__ = [
    "Reduction",
    "Weighting",
    "check_options",
    "counts_beside",
    "expected_loss",
    "log_odds_against",
    "reduce_losses",
    "wide",
]

Reduction: TypeAlias = Literal["none", "mean", "sum"]
Weighting: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""(losses [B], class shares [B, K]) -> weights [B] of images or [B, K] of images and classes."""


def expected_loss(
    by_class: Tensor, target: Target, weighting: Weighting | None, label_smoothing: float, reduction: Reduction
) -> Tensor:
    """The loss of each image under its label, weighted and reduced.

    Args:
        by_class: the loss of each image for each class it could have, [B, K].
        target: labels [B], shares [B, K] or a MixedTarget.
        weighting: None, or from losses [B] and shares [B, K] to weights [B] or [B, K]; no gradient passes through it.
        label_smoothing: the share of each label that is spread over all K classes.
        reduction: one loss for each image, their mean (the sum over B, whatever the weights), or their sum.
    """
    check_options(weighting, label_smoothing, reduction)
    shares = soft_labels(target, by_class.shape[1])
    check_same_device(by_class, shares, "logits", "target")
    if len(shares) != len(by_class):
        raise ValueError(f"target: expected one for each of {len(by_class)} images, got {len(shares)}")
    if label_smoothing:
        by_class = (1 - label_smoothing) * by_class + label_smoothing * by_class.mean(1, keepdim=True)
    # A class whose logit is -inf is ruled out: it costs the images nothing that have no share of it.
    losses = shares * by_class.masked_fill((shares == 0) & by_class.isposinf(), 0.0)
    if weighting is not None:
        losses = losses * _weights(weighting, losses.detach().sum(1), shares.detach())
    return reduce_losses(losses.sum(1), reduction)


def check_options(weighting: Weighting | None, label_smoothing: float, reduction: Reduction) -> None:
    """What every loss here takes: raise unless the three can be used."""
    if weighting is not None and not callable(weighting):
        raise TypeError(
            f"weighting: expected None or a callable such as ClassWeights(weights), got {type(weighting).__name__}"
        )
    check_number(label_smoothing, "label_smoothing")
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"label_smoothing: expected a number from 0 to 1, got {label_smoothing}")
    if not isinstance(reduction, str) or reduction not in ("none", "mean", "sum"):
        raise ValueError(f'reduction: expected "none", "mean" or "sum", got {reduction!r}')


def _weights(weighting: Weighting, losses: Tensor, shares: Tensor) -> Tensor:
    weights = weighting(losses, shares)
    check_tensor(weights, "weighting")
    check_same_device(losses, weights, "losses", "weighting")
    if weights.shape == losses.shape:
        return weights.detach().unsqueeze(1)
    if weights.shape != shares.shape:
        raise ValueError(
            f"weighting: expected weights {list(losses.shape)} or {list(shares.shape)}, got {list(weights.shape)}"
        )
    return weights.detach()


def reduce_losses(losses: Tensor, reduction: Reduction) -> Tensor:
    """As they are, their mean, or their sum; the mean of an empty batch is zero, with a graph."""
    if reduction == "none":
        return losses
    total = losses.sum()
    return total / max(len(losses), 1) if reduction == "mean" else total


def wide(logits: Tensor, name: str = "logits") -> Tensor:
    """Logits [B, K] of two or more classes, in float32 at least."""
    check_floating(logits, name)
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(f"{name}: expected [B, K] with two or more classes, got shape {list(logits.shape)}")
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def counts_beside(logits: Tensor, class_counts: Sequence[int] | Tensor, may_be_zero: bool = False) -> Tensor:
    """The images of each class [K] in the dtype and on the device of `logits` [B, K]; none may be zero."""
    if isinstance(class_counts, Tensor) and logits.device.type != "meta":
        check_has_values(class_counts, "class_counts")
    if not isinstance(class_counts, Tensor) or values_are_readable(class_counts):
        class_counts = check_class_counts(class_counts) if may_be_zero else check_counts_of_all(class_counts)
    counts = torch.as_tensor(class_counts, dtype=logits.dtype, device=logits.device)
    if counts.shape != logits.shape[1:]:
        raise ValueError(
            f"class_counts: expected one for each of {logits.shape[1]} classes, got shape {list(counts.shape)}"
        )
    return counts


def log_odds_against(logits: Tensor) -> Tensor:
    """``log((1 - p_c) / p_c)`` for each class, [B, K], exact also where p_c is rounded to 1; p is the softmax.

    1 - p of the likeliest class would lose its digits: its log odds are taken from the sum over the other classes.
    """
    log_p = logits.log_softmax(1)
    top = logits.argmax(1, keepdim=True)
    is_top = torch.zeros_like(logits, dtype=torch.bool).scatter(1, top, True)
    # Finite, so that there is a gradient also where all others are ruled out by a logit of -inf.
    others = logits.masked_fill(is_top, -torch.inf).clamp(min=torch.finfo(logits.dtype).min / 4)
    others = others.logsumexp(1, keepdim=True)
    small = log_p.masked_fill(is_top, -1.0)  # at most log 1/2; the top's value is not used
    return torch.where(is_top, others - logits, torch.log1p(-small.exp()) - small)
