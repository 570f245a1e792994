"""Focal loss: what the network is sure of counts less."""

from __future__ import annotations

from math import inf

import torch.nn.functional as F
from torch import Tensor

from longtail_mix._checks import check_not_negative
from longtail_mix._module import Module
from longtail_mix.losses._expected import Reduction, Weighting, check_options, expected_loss, log_odds_against, wide
from longtail_mix.targets import Target

__all__ = ["FocalLoss", "focal_loss"]


def focal_loss(
    logits: Tensor,
    target: Target,
    gamma: float = 2.0,
    weighting: Weighting | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """``-(1 - p_y)^gamma log p_y`` with the softmax's p: Lin et al. 2017; Eq. 6 of Barata and Santiago 2021.

    The same in plain PyTorch: ``p = logits.softmax(1)[rows, labels]; (-(1 - p) ** gamma * p.log()).mean()``. Here it is
    computed from the log odds, so that value and gradient stay exact where p is rounded to 1, for every gamma.

    Soft labels: the sum over classes of share times focal loss of that class. It is linear in the label, and is not the
    focal loss of a blended probability.

    Args:
        logits: [B, K], K of at least 2.
        target: integer labels [B], shares [B, K], or a :class:`~longtail_mix.MixedTarget`.
        gamma: at least 0; 0 is cross entropy. Barata and Santiago found 1 best in most of their runs.
        weighting: who counts how much, as in :func:`~longtail_mix.functional.weighted_cross_entropy`.
        label_smoothing: the share of each label that is spread over all K classes.
        reduction: "none", "mean" or "sum".

    Returns:
        The loss, in float32 at least.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or options that do not fit.

    Example:
        >>> import torch
        >>> focal_loss(torch.tensor([[0.0, 0.0], [4.0, 0.0]]), torch.tensor([0, 0]), reduction="none")
        tensor([1.7329e-01, 5.8716e-06])
    """
    check_gamma(gamma)
    logits = wide(logits)
    ruled_out = logits == -inf  # set aside: the product of a 0 and an infinity has no gradient
    against = log_odds_against(logits).masked_fill(ruled_out, 0.0)
    minus_log_p = -F.logsigmoid(-against)
    # (1 - p)^gamma = e^{gamma log(1 - p)}: a power of 0 would have an infinite gradient for gamma below 1.
    by_class = (gamma * F.logsigmoid(against)).exp() * minus_log_p
    by_class = by_class.masked_fill(ruled_out, inf)
    return expected_loss(by_class, target, weighting, label_smoothing, reduction)


def check_gamma(gamma: float) -> None:
    """Raise unless gamma is a finite number of at least 0."""
    check_not_negative(gamma, "gamma")


class FocalLoss(Module):
    """Focal loss as a module: see :func:`focal_loss`.

    Args:
        gamma: at least 0; 0 is cross entropy.
        weighting: who counts how much, as in :class:`~longtail_mix.WeightedCrossEntropy`.
        label_smoothing: the share of each label that is spread over all K classes.
        reduction: "none", "mean" or "sum".

    Shape:
        logits [B, K], labels [B] or shares [B, K] or a MixedTarget -> a scalar, or [B].

    Example:
        >>> import torch
        >>> FocalLoss(gamma=1.0)(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0]))
        tensor(0.3466)
    """

    def __init__(
        self,
        gamma: float = 2.0,
        weighting: Weighting | None = None,
        label_smoothing: float = 0.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_gamma(gamma)
        check_options(weighting, label_smoothing, reduction)
        self.gamma = gamma
        self.weighting, self.label_smoothing, self.reduction = weighting, label_smoothing, reduction

    def forward(self, logits: Tensor, target: Target) -> Tensor:
        """The loss of logits [B, K] under their labels."""
        return focal_loss(logits, target, self.gamma, self.weighting, self.label_smoothing, self.reduction)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"gamma={self.gamma}, label_smoothing={self.label_smoothing}, reduction={self.reduction!r}"
