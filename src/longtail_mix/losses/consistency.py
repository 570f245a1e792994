"""Consistency: the same prediction for an image as it is and as a mix shows it, for example on other skin."""

from __future__ import annotations

from math import inf

from torch import Tensor

from longtail_mix._checks import check_alike
from longtail_mix._module import Module
from longtail_mix.losses._expected import Reduction, check_options, reduce_losses, wide

__all__ = ["ConsistencyLoss", "consistency_loss"]


def consistency_loss(logits: Tensor, other_logits: Tensor, reduction: Reduction = "mean") -> Tensor:
    """``(KL(p || q) + KL(q || p)) / 2`` with p and q the softmax of both logits: how much two predictions differ.

    The divergence is that of Jeffreys (1946); halved, and as a regulariser beside cross entropy, it is in R-Drop (Liang
    et al., NeurIPS 2021), between two passes with other dropout. Here the second prediction is of another view of the
    same image. It takes no labels, and gradients go to both.

    The same in plain PyTorch: ``p, q = logits.log_softmax(1), other_logits.log_softmax(1);
    ((p.exp() - q.exp()) * (p - q)).sum(1).mean() / 2``. Here a class that both rule out by a logit of -inf adds
    nothing, and one that a single view rules out makes the loss infinite.

    Args:
        logits: [B, K], K of at least 2.
        other_logits: of the same images, [B, K].
        reduction: "none", "mean" or "sum".

    Returns:
        The loss, at least 0 up to rounding, in float32 at least.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or options that do not fit.

    Example:
        >>> import torch
        >>> consistency_loss(torch.tensor([[0.0, 0.0], [4.0, 0.0]]), torch.tensor([[2.0, 2.0], [0.0, 0.0]]), "none")
        tensor([0.0000, 0.9640])
    """
    check_options(None, 0.0, reduction)
    logits, other_logits = wide(logits), wide(other_logits, "other_logits")
    check_alike(logits, other_logits, "logits", "other_logits")
    first, second = logits.log_softmax(1), other_logits.log_softmax(1)
    ruled_out = first.isneginf() & second.isneginf()
    gap = first.masked_fill(ruled_out, 0.0) - second.masked_fill(ruled_out, 0.0)
    by_class = ((first.exp() - second.exp()) * gap).masked_fill(gap.isinf(), inf)
    return reduce_losses(by_class.sum(1) / 2, reduction)


class ConsistencyLoss(Module):
    """How much two predictions for the same images differ, as a module: see :func:`consistency_loss`.

    Beside a loss of the labels, with the mix that changes what should not matter::

        logits, swapped = model(torch.cat([images, other_skin(images, partners)])).chunk(2)
        loss = (criterion(logits, labels) + criterion(swapped, labels)) / 2 + 2 * consistency(logits, swapped)

    Args:
        reduction: "none", "mean" or "sum".

    Shape:
        logits [B, K], other_logits [B, K] -> a scalar, or [B].

    Example:
        >>> import torch
        >>> ConsistencyLoss()(torch.tensor([[4.0, 0.0]]), torch.tensor([[0.0, 0.0]]))
        tensor(0.9640)
    """

    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_options(None, 0.0, reduction)
        self.reduction = reduction

    def forward(self, logits: Tensor, other_logits: Tensor) -> Tensor:
        """How much the predictions from logits [B, K] and other logits [B, K] differ."""
        return consistency_loss(logits, other_logits, self.reduction)

    def extra_repr(self) -> str:
        """Show the option."""
        return f"reduction={self.reduction!r}"
