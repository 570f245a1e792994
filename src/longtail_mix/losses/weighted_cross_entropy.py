"""Cross entropy for hard, soft and mixed labels, with weights by class or by loss."""

from __future__ import annotations

from torch import Tensor

from longtail_mix._module import Module
from longtail_mix.losses._expected import Reduction, Weighting, check_options, expected_loss, wide
from longtail_mix.targets import Target

__all__ = ["WeightedCrossEntropy", "weighted_cross_entropy"]


def weighted_cross_entropy(
    logits: Tensor,
    target: Target,
    weighting: Weighting | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """``-log p_y``, weighted: Eqs. 3 and 5 of Barata and Santiago 2021.

    The same in plain PyTorch, for integer labels: ``(w[labels] * F.cross_entropy(logits, labels, label_smoothing=eps,
    reduction="none")).mean()``. It differs from ``F.cross_entropy(logits, labels, w, label_smoothing=eps)`` twice: that
    divides by the sum of the weights, and weighs each class of the smoothed target by itself, which gives the share
    spread over the other classes mostly to the rare ones.

    Soft labels: the sum over classes of share times weight times loss; for ``-log p_c`` this is the cross entropy
    between the two distributions.

    Args:
        logits: [B, K], K of at least 2.
        target: integer labels [B], shares [B, K], or a :class:`~longtail_mix.MixedTarget`.
        weighting: None, or any callable from losses [B] and class shares [B, K] to weights [B] or [B, K]: the modules
            of :mod:`longtail_mix.weighting`, or one of your own.
        label_smoothing: the share of each label that is spread over all K classes, in [0, 1].
        reduction: "none" for [B], "mean" over the B images whatever they weigh, or "sum".

    Returns:
        The loss, in float32 at least.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or options that do not fit.

    Example:
        >>> import torch
        >>> weighted_cross_entropy(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0]))
        tensor(0.6931)
    """
    return expected_loss(-wide(logits).log_softmax(1), target, weighting, label_smoothing, reduction)


class WeightedCrossEntropy(Module):
    """Cross entropy with a weighting, as a module: see :func:`weighted_cross_entropy`.

    Args:
        weighting: who counts how much, for example :class:`~longtail_mix.EffectiveNumberWeights`.
        label_smoothing: the share of each label that is spread over all K classes, in [0, 1].
        reduction: "none", "mean" or "sum".

    Shape:
        logits [B, K], labels [B] or shares [B, K] or a MixedTarget -> a scalar, or [B].

    Example:
        >>> import torch
        >>> from longtail_mix import ClassBalancedWeights
        >>> criterion = WeightedCrossEntropy(ClassBalancedWeights([3, 1]))
        >>> criterion(torch.zeros(4, 2), torch.tensor([0, 0, 0, 1]))
        tensor(1.3863)
    """

    def __init__(
        self, weighting: Weighting | None = None, label_smoothing: float = 0.0, reduction: Reduction = "mean"
    ) -> None:
        super().__init__()
        check_options(weighting, label_smoothing, reduction)
        self.weighting, self.label_smoothing, self.reduction = weighting, label_smoothing, reduction

    def forward(self, logits: Tensor, target: Target) -> Tensor:
        """The loss of logits [B, K] under their labels."""
        return weighted_cross_entropy(logits, target, self.weighting, self.label_smoothing, self.reduction)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"label_smoothing={self.label_smoothing}, reduction={self.reduction!r}"
