"""Logit adjustment: the classes' frequencies are added to the logits in training, so that the network need not learn
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor

from longtail_mix._balancing import corrects_frequencies
from longtail_mix._checks import check_counts_of_all, check_not_huge, check_number
from longtail_mix._module import Module
from longtail_mix.losses._expected import Reduction, Weighting, check_options, counts_beside, expected_loss, wide
from longtail_mix.targets import Target

__all__ = ["LogitAdjustmentLoss", "logit_adjustment_loss"]


def logit_adjustment_loss(
    logits: Tensor,
    target: Target,
    class_counts: Sequence[int] | Tensor,
    tau: float = 1.0,
    weighting: Weighting | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Cross entropy of ``logits + tau * log prior``: Menon et al. 2021, Eq. 10.

    The same in plain PyTorch, with ``prior = class_counts / class_counts.sum()``:
    ``F.cross_entropy(logits + tau * prior.log(), labels)``. The paper's other way needs no loss: train with cross
    entropy and subtract ``tau * prior.log()`` from the test's logits.

    Soft labels: the sum over classes of share times ``-log p_c`` of the adjusted softmax, the cross entropy between the
    two distributions.

    Args:
        logits: [B, K], K of at least 2.
        target: integer labels [B], shares [B, K], or a :class:`~longtail_mix.MixedTarget`.
        class_counts: training images of each class, [K], none zero.
        tau: how strongly; 0 is cross entropy, 1 is right for a balanced test.
        weighting: who counts how much, as in :func:`~longtail_mix.functional.weighted_cross_entropy`.
        label_smoothing: the share of each label that is spread over all K classes.
        reduction: "none", "mean" or "sum".

    Returns:
        The loss, in float32 at least.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or options that do not fit; a class without images.

    Example:
        >>> logit_adjustment_loss(torch.zeros(2, 2), torch.tensor([0, 1]), [3, 1], tau=2.0, reduction="none")
        tensor([0.1054, 2.3026])
    """
    check_tau(tau)
    plain = wide(logits)
    counts = counts_beside(plain, class_counts)
    by_class = -(plain + tau * (counts / counts.sum()).log()).log_softmax(1)
    return expected_loss(by_class, target, weighting, label_smoothing, reduction)


def check_tau(tau: float) -> None:
    """Raise unless tau is a finite number."""
    check_number(tau, "tau")
    if not isfinite(tau):
        raise ValueError(f"tau: expected a finite number, got {tau}")
    check_not_huge(tau, "tau")


class LogitAdjustmentLoss(Module):
    """Logit adjustment as a module: see :func:`logit_adjustment_loss`.

    Args:
        class_counts: training images of each class, none zero.
        tau: how strongly; 0 is cross entropy.
        weighting: who counts how much, as in :class:`~longtail_mix.WeightedCrossEntropy`.
        label_smoothing: the share of each label that is spread over all K classes.
        reduction: "none", "mean" or "sum".

    Shape:
        logits [B, K], labels [B] or shares [B, K] or a MixedTarget -> a scalar, or [B].

    Example:
        >>> LogitAdjustmentLoss([3, 1])(torch.zeros(2, 2), torch.tensor([0, 1]))
        tensor(0.8370)
    """

    class_counts: Tensor

    def __init__(
        self,
        class_counts: Sequence[int] | Tensor,
        tau: float = 1.0,
        weighting: Weighting | None = None,
        label_smoothing: float = 0.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_tau(tau)
        check_options(weighting, label_smoothing, reduction)
        self.register_buffer("class_counts", torch.tensor(check_counts_of_all(class_counts)), persistent=False)
        corrects_frequencies(self, self.class_counts)
        self.tau = tau
        self.weighting, self.label_smoothing, self.reduction = weighting, label_smoothing, reduction

    def forward(self, logits: Tensor, target: Target) -> Tensor:
        """The loss of logits [B, K] under their labels."""
        return logit_adjustment_loss(
            logits, target, self.class_counts, self.tau, self.weighting, self.label_smoothing, self.reduction
        )

    def extra_repr(self) -> str:
        """Show the options."""
        return (
            f"num_classes={len(self.class_counts)}, tau={self.tau}, label_smoothing={self.label_smoothing}, "
            f"reduction={self.reduction!r}"
        )
