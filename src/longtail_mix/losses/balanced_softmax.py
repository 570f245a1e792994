"""Balanced softmax: each class enters the softmax as often as it was seen."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from longtail_mix._balancing import corrects_frequencies
from longtail_mix._checks import check_counts_of_all
from longtail_mix._module import Module
from longtail_mix.losses._expected import Reduction, Weighting, check_options, counts_beside, expected_loss, wide
from longtail_mix.targets import Target

__all__ = ["BalancedSoftmaxLoss", "balanced_softmax_loss"]


def balanced_softmax_loss(
    logits: Tensor,
    target: Target,
    class_counts: Sequence[int] | Tensor,
    weighting: Weighting | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """``-log(N_y e^{z_y} / sum_c N_c e^{z_c})``: Ren et al. 2020, Eq. 4; the logits alone then judge a balanced test.

    The same in plain PyTorch: ``F.cross_entropy(logits + class_counts.log(), labels)``. It is
    :func:`~longtail_mix.functional.logit_adjustment_loss` with tau 1.

    Soft labels: the sum over classes of share times ``-log p_c`` of the balanced softmax, the cross entropy between the
    two distributions.

    Args:
        logits: [B, K], K of at least 2.
        target: integer labels [B], shares [B, K], or a :class:`~longtail_mix.MixedTarget`.
        class_counts: training images of each class, [K], none zero: what was never seen could not be a label.
        weighting: who counts how much, as in :func:`~longtail_mix.functional.weighted_cross_entropy`.
        label_smoothing: the share of each label that is spread over all K classes.
        reduction: "none", "mean" or "sum".

    Returns:
        The loss, in float32 at least.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or options that do not fit; a class without images.

    Example:
        >>> balanced_softmax_loss(torch.zeros(2, 2), torch.tensor([0, 1]), [3, 1], reduction="none")
        tensor([0.2877, 1.3863])
    """
    adjusted = wide(logits)
    by_class = -(adjusted + counts_beside(adjusted, class_counts).log()).log_softmax(1)
    return expected_loss(by_class, target, weighting, label_smoothing, reduction)


class BalancedSoftmaxLoss(Module):
    """Balanced softmax as a module: see :func:`balanced_softmax_loss`.

    Args:
        class_counts: training images of each class, none zero.
        weighting: who counts how much, as in :class:`~longtail_mix.WeightedCrossEntropy`.
        label_smoothing: the share of each label that is spread over all K classes.
        reduction: "none", "mean" or "sum".

    Shape:
        logits [B, K], labels [B] or shares [B, K] or a MixedTarget -> a scalar, or [B].

    Example:
        >>> BalancedSoftmaxLoss([3, 1])(torch.zeros(2, 2), torch.tensor([0, 1]))
        tensor(0.8370)
    """

    class_counts: Tensor

    def __init__(
        self,
        class_counts: Sequence[int] | Tensor,
        weighting: Weighting | None = None,
        label_smoothing: float = 0.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_options(weighting, label_smoothing, reduction)
        self.register_buffer("class_counts", torch.tensor(check_counts_of_all(class_counts)), persistent=False)
        corrects_frequencies(self, self.class_counts)
        self.weighting, self.label_smoothing, self.reduction = weighting, label_smoothing, reduction

    def forward(self, logits: Tensor, target: Target) -> Tensor:
        """The loss of logits [B, K] under their labels."""
        return balanced_softmax_loss(
            logits, target, self.class_counts, self.weighting, self.label_smoothing, self.reduction
        )

    def extra_repr(self) -> str:
        """Show the options."""
        return (
            f"num_classes={len(self.class_counts)}, label_smoothing={self.label_smoothing}, "
            f"reduction={self.reduction!r}"
        )
