"""LADE: balanced softmax, and logits that are log ratios of densities by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor

from longtail_mix._checks import check_counts_of_all, check_not_negative
from longtail_mix._module import Module
from longtail_mix.losses._expected import (
    Reduction,
    Weighting,
    check_options,
    counts_beside,
    expected_loss,
    reduce_losses,
    wide,
)
from longtail_mix.targets import Target, soft_labels

__all__ = ["LADELoss", "lade_loss"]


def lade_loss(
    logits: Tensor,
    target: Target,
    class_counts: Sequence[int] | Tensor,
    alpha: float = 0.1,
    lam: float = 0.1,
    weighting: Weighting | None = None,
    label_smoothing: float = 0.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Balanced softmax plus a regulariser that frees the logits from the training frequencies: Hong et al. 2021.

    ``L = balanced_softmax + alpha * sum_c pi_c R_c`` with the priors ``pi_c = N_c / N``, and over the batch::

        A_c = log(1/B * sum_i (1/K) / pi_{y_i} * e^{z_ic})
        R_c = -(mean of z_ic over the images of class c) + A_c + lam * A_c^2

    R_c is the regularised Donsker-Varadhan bound: with it z_c tends to ``log p(x | c) / p(x)`` under a uniform prior.
    A class that the batch lacks has no first term. The released code weighs with ``pi_c`` in the place of ``pi_{y_i}``,
    which moves A_c by a constant; here it is the images that are reweighed to a uniform prior.

    R belongs to the batch: "none" adds it to every image, so that the mean is "mean". Weights and label smoothing act
    on the balanced softmax and leave R alone.

    Soft labels: balanced softmax is the sum over classes of share times loss. In R an image counts in each class by
    its share: the mean over class c is weighted with the shares, and ``1 / pi_{y_i}`` is the share-weighted mean of
    ``1 / pi``. That is R of a batch in which each image were there once for each class, by its share; R is not
    linear in the labels.

    Args:
        logits: [B, K], K of at least 2.
        target: integer labels [B], shares [B, K], or a :class:`~longtail_mix.MixedTarget`.
        class_counts: training images of each class, [K], none zero.
        alpha: weight of the regulariser, at least 0; 0 is balanced softmax. Released: 0.1 on CIFAR-100-LT.
        lam: weight of A_c squared, at least 0. Released: 0.01 to 0.5.
        weighting: who counts how much, as in :func:`~longtail_mix.functional.weighted_cross_entropy`.
        label_smoothing: the share of each label that is spread over all K classes.
        reduction: "none", "mean" or "sum".

    Returns:
        The loss, in float32 at least.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or options that do not fit; a class without images.

    Example:
        >>> lade_loss(torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 1]), [3, 1])
        tensor(0.1587)
    """
    check_lade_options(alpha, lam)
    check_options(weighting, label_smoothing, reduction)
    plain = wide(logits)
    counts = counts_beside(plain, class_counts)
    by_class = -(plain + counts.log()).log_softmax(1)
    losses = expected_loss(by_class, target, weighting, label_smoothing, "none")
    if len(losses):
        shares = soft_labels(target, plain.shape[1]).to(plain.dtype)
        losses = losses + alpha * _regulariser(plain, shares, counts / counts.sum(), lam)
    return reduce_losses(losses, reduction)


def _regulariser(logits: Tensor, shares: Tensor, priors: Tensor, lam: float) -> Tensor:
    """Sum over classes of pi_c R_c."""
    images, classes = logits.shape
    seen = shares.sum(0)
    own = (shares * logits).sum(0) / torch.where(seen > 0, seen, 1.0)
    importance = (shares / (classes * priors)).sum(1, keepdim=True)  # of each image, for a uniform prior
    normaliser = (logits + importance.log()).logsumexp(0) - log(images)
    return (priors * (normaliser - own + lam * normaliser**2)).sum()


def check_lade_options(alpha: float, lam: float) -> None:
    """Raise unless both are finite numbers of at least 0."""
    for value, name in ((alpha, "alpha"), (lam, "lam")):
        check_not_negative(value, name)


class LADELoss(Module):
    """LADE as a module: see :func:`lade_loss`.

    Args:
        class_counts: training images of each class, none zero.
        alpha: weight of the regulariser.
        lam: weight of its squared normaliser.
        weighting: who counts how much, as in :class:`~longtail_mix.WeightedCrossEntropy`.
        label_smoothing: the share of each label that is spread over all K classes.
        reduction: "none", "mean" or "sum".

    Shape:
        logits [B, K], labels [B] or shares [B, K] or a MixedTarget -> a scalar, or [B].

    Example:
        >>> LADELoss([3, 1], alpha=0.0)(torch.zeros(2, 2), torch.tensor([0, 1]))
        tensor(0.8370)
    """

    class_counts: Tensor

    def __init__(
        self,
        class_counts: Sequence[int] | Tensor,
        alpha: float = 0.1,
        lam: float = 0.1,
        weighting: Weighting | None = None,
        label_smoothing: float = 0.0,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_lade_options(alpha, lam)
        check_options(weighting, label_smoothing, reduction)
        self.register_buffer("class_counts", torch.tensor(check_counts_of_all(class_counts)), persistent=False)
        self.alpha, self.lam = alpha, lam
        self.weighting, self.label_smoothing, self.reduction = weighting, label_smoothing, reduction

    def forward(self, logits: Tensor, target: Target) -> Tensor:
        """The loss of logits [B, K] under their labels."""
        return lade_loss(
            logits,
            target,
            self.class_counts,
            self.alpha,
            self.lam,
            self.weighting,
            self.label_smoothing,
            self.reduction,
        )

    def extra_repr(self) -> str:
        """Show the options."""
        return (
            f"num_classes={len(self.class_counts)}, alpha={self.alpha}, lam={self.lam}, "
            f"label_smoothing={self.label_smoothing}, reduction={self.reduction!r}"
        )
