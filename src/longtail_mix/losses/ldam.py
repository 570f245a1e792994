"""LDAM: the rarer the class, the wider the margin its logit has to win by."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix._checks import check_counts_of_all, check_not_huge, check_not_negative, check_number
from longtail_mix._module import Module
from longtail_mix.losses._expected import (
    Reduction,
    Weighting,
    check_options,
    counts_beside,
    expected_loss,
    log_odds_against,
    wide,
)
from longtail_mix.targets import Target

__all__ = ["LDAMLoss", "ldam_loss"]


def ldam_loss(
    logits: Tensor,
    target: Target,
    class_counts: Sequence[int] | Tensor,
    max_margin: float = 0.5,
    scale: float = 30.0,
    weighting: Weighting | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Cross entropy of ``scale * (logits - margin of the label at the label)``: Cao et al. 2019, Eqs. 12 and 13.

    The margins are ``C / N_c^(1/4)``, with C such that the rarest class has `max_margin`. The same in plain PyTorch::

        margins = max_margin * (min(class_counts) / class_counts) ** 0.25
        F.cross_entropy(scale * (logits - F.one_hot(labels, K) * margins[labels, None]), labels)

    The logits are meant to be cosines, as :class:`~longtail_mix.CosineClassifier` gives them; with plain logits choose
    a scale of 1 or so. With :class:`~longtail_mix.DeferredWeighting` it is the paper's LDAM-DRW.

    Soft labels: the sum over classes of share times the loss with that class's margin. Each term has one margin; no
    logit gets a blended one.

    Args:
        logits: [B, K], K of at least 2; cosines in [-1, 1] with the default scale.
        target: integer labels [B], shares [B, K], or a :class:`~longtail_mix.MixedTarget`.
        class_counts: training images of each class, [K], none zero.
        max_margin: the margin of the rarest class, at least 0.
        scale: what the logits are multiplied with after the margin, more than 0.
        weighting: who counts how much, as in :func:`~longtail_mix.functional.weighted_cross_entropy`.
        label_smoothing: the share of each label that is spread over all K classes.
        reduction: "none", "mean" or "sum".

    Returns:
        The loss, in float32 at least.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or options that do not fit; a class without images.

    Example:
        >>> cosines = torch.tensor([[0.6, 0.2], [0.6, 0.2]])
        >>> ldam_loss(cosines, torch.tensor([0, 1]), [1600, 100], reduction="none")
        tensor([1.1048e-02, 2.7000e+01])
    """
    check_ldam_options(max_margin, scale)
    cosines = wide(logits)
    counts = counts_beside(cosines, class_counts)
    margins = max_margin * (counts.min() / counts) ** 0.25
    # Were c the label: -log(e^{s (z_c - m_c)} / (e^{s (z_c - m_c)} + sum over the others)) = softplus(log odds + s m_c)
    by_class = -F.logsigmoid(-(log_odds_against(scale * cosines) + scale * margins))
    return expected_loss(by_class, target, weighting, label_smoothing, reduction)


def check_ldam_options(max_margin: float, scale: float) -> None:
    """Raise unless the margin is at least 0 and the scale more than 0."""
    check_number(scale, "scale")
    check_not_negative(max_margin, "max_margin")
    if not 0.0 < scale < inf:
        raise ValueError(f"scale: expected a finite number of more than 0, got {scale}")
    check_not_huge(scale, "scale")


class LDAMLoss(Module):
    """LDAM as a module: see :func:`ldam_loss`.

    Args:
        class_counts: training images of each class, none zero.
        max_margin: the margin of the rarest class.
        scale: what the logits are multiplied with after the margin.
        weighting: who counts how much, as in :class:`~longtail_mix.WeightedCrossEntropy`.
        label_smoothing: the share of each label that is spread over all K classes.
        reduction: "none", "mean" or "sum".

    Shape:
        logits [B, K], labels [B] or shares [B, K] or a MixedTarget -> a scalar, or [B].

    Example:
        >>> criterion = LDAMLoss([1600, 100])
        >>> criterion(torch.tensor([[0.6, 0.2], [0.2, 0.6]]), torch.tensor([0, 1]))
        tensor(1.5298)
    """

    class_counts: Tensor

    def __init__(
        self,
        class_counts: Sequence[int] | Tensor,
        max_margin: float = 0.5,
        scale: float = 30.0,
        weighting: Weighting | None = None,
        label_smoothing: float = 0.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_ldam_options(max_margin, scale)
        check_options(weighting, label_smoothing, reduction)
        self.register_buffer("class_counts", torch.tensor(check_counts_of_all(class_counts)), persistent=False)
        self.max_margin, self.scale = max_margin, scale
        self.weighting, self.label_smoothing, self.reduction = weighting, label_smoothing, reduction

    def forward(self, logits: Tensor, target: Target) -> Tensor:
        """The loss of logits [B, K] under their labels."""
        return ldam_loss(
            logits,
            target,
            self.class_counts,
            self.max_margin,
            self.scale,
            self.weighting,
            self.label_smoothing,
            self.reduction,
        )

    def extra_repr(self) -> str:
        """Show the options."""
        return (
            f"num_classes={len(self.class_counts)}, max_margin={self.max_margin}, scale={self.scale}, "
            f"label_smoothing={self.label_smoothing}, reduction={self.reduction!r}"
        )
