"""Label-aware smoothing: the more frequent the class, the less the network may be sure of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi

import torch
from torch import Tensor

from longtail_mix._checks import check_callable, check_class_counts, check_number, check_share
from longtail_mix._module import Module
from longtail_mix.losses._expected import Reduction, Weighting, check_options, counts_beside, expected_loss, wide
from longtail_mix.targets import Target

__all__ = ["LabelAwareSmoothingLoss", "concave", "convex", "label_aware_smoothing_loss", "linear"]

Shape = Callable[[Tensor], Tensor]
"""From how frequent a class is, 0 for the rarest and 1 for the most frequent, to its smoothing on the same scale."""


def concave(frequency: Tensor) -> Tensor:
    """``sin(pi f / 2)``: the paper's first choice; only the rarest classes are smoothed little.

    Example:
        >>> concave(torch.tensor([0.0, 0.5, 1.0]))
        tensor([0.0000, 0.7071, 1.0000])
    """
    _check_frequency(frequency)
    return (frequency * (pi / 2)).sin()


def linear(frequency: Tensor) -> Tensor:
    """``f`` itself.

    Example:
        >>> linear(torch.tensor([0.0, 0.5, 1.0]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    _check_frequency(frequency)
    return frequency


def convex(frequency: Tensor) -> Tensor:
    """``1 + sin(3 pi / 2 + pi f / 2)``: only the most frequent classes are smoothed much.

    Example:
        >>> convex(torch.tensor([0.0, 0.5, 1.0]))
        tensor([0.0000, 0.2929, 1.0000])
    """
    _check_frequency(frequency)
    return 1 - (frequency * (pi / 2)).cos()


def _check_frequency(frequency: Tensor) -> None:
    check_share(frequency, "frequency")


def label_aware_smoothing_loss(
    logits: Tensor,
    target: Target,
    class_counts: Sequence[int] | Tensor,
    head: float = 0.4,
    tail: float = 0.1,
    shape: Shape = concave,
    weighting: Weighting | None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Cross entropy with a smoothing of each class's own: Zhong et al. 2021 (MiSLAS), Eqs. 5 to 7.

    ``eps_c = tail + (head - tail) * shape((N_c - N_min) / (N_max - N_min))``; the label keeps ``1 - eps_y`` and each of
    the other K - 1 classes gets ``eps_y / (K - 1)``. Ordinary smoothing spreads over all K classes, the label too: that
    would be this loss with ``eps (K - 1) / K``.

    The same in plain PyTorch::

        log_p = logits.log_softmax(1)
        others = (log_p.sum(1) - log_p[rows, labels]) / (K - 1)
        (-(1 - eps[labels]) * log_p[rows, labels] - eps[labels] * others).mean()

    A class without images is allowed: it is the rarest. Where all counts are equal, every class has `head`.

    Soft labels: the sum over classes of share times the loss smoothed for that class; each class's share is smoothed by
    that class's own eps.

    Args:
        logits: [B, K], K of at least 2.
        target: integer labels [B], shares [B, K], or a :class:`~longtail_mix.MixedTarget`.
        class_counts: training images of each class, [K].
        head: smoothing of the most frequent class, in [0, 1]; with `tail`, the released values for CIFAR-100-LT.
        tail: smoothing of the rarest class, in [0, 1].
        shape: what lies between: :func:`concave`, :func:`linear`, :func:`convex`, or a function of your own.
        weighting: who counts how much, as in :func:`~longtail_mix.functional.weighted_cross_entropy`.
        reduction: "none", "mean" or "sum".

    Returns:
        The loss, in float32 at least.

    Raises:
        TypeError, ValueError: shapes, dtypes, devices or options that do not fit.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
        >>> label_aware_smoothing_loss(logits, torch.tensor([0, 1]), [90, 10], reduction="none")
        tensor([0.9269, 0.3269])
    """
    check_smoothing(head, tail)
    check_callable(shape, "shape", "a function such as concave")
    log_p = wide(logits).log_softmax(1)
    counts = counts_beside(log_p, class_counts, may_be_zero=True)
    lowest, highest = counts.aminmax()
    # All counts equal: (0 + 1) / (0 + 1).
    same = (highest == lowest).to(counts.dtype)
    frequency = (counts - lowest + same) / (highest - lowest + same)
    eps = tail + (head - tail) * shape(frequency)
    others = (log_p.sum(1, keepdim=True) - log_p) / (log_p.shape[1] - 1)
    return expected_loss(-(1 - eps) * log_p - eps * others, target, weighting, 0.0, reduction)


def check_smoothing(head: float, tail: float) -> None:
    """Raise unless both are numbers from 0 to 1."""
    for value, name in ((head, "head"), (tail, "tail")):
        check_number(value, name)
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{name}: expected a number from 0 to 1, got {value}")


class LabelAwareSmoothingLoss(Module):
    """Label-aware smoothing as a module: see :func:`label_aware_smoothing_loss`.

    Args:
        class_counts: training images of each class.
        head: smoothing of the most frequent class, in [0, 1].
        tail: smoothing of the rarest class, in [0, 1].
        shape: what lies between.
        weighting: who counts how much, as in :class:`~longtail_mix.WeightedCrossEntropy`.
        reduction: "none", "mean" or "sum".

    Shape:
        logits [B, K], labels [B] or shares [B, K] or a MixedTarget -> a scalar, or [B].

    Example:
        >>> LabelAwareSmoothingLoss([90, 10])(torch.tensor([[2.0, 0.0]]), torch.tensor([0]))
        tensor(0.9269)
    """

    class_counts: Tensor

    def __init__(
        self,
        class_counts: Sequence[int] | Tensor,
        head: float = 0.4,
        tail: float = 0.1,
        shape: Shape = concave,
        weighting: Weighting | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        check_smoothing(head, tail)
        check_callable(shape, "shape", "a function such as concave")
        check_options(weighting, 0.0, reduction)
        self.register_buffer("class_counts", torch.tensor(check_class_counts(class_counts)), persistent=False)
        self.head, self.tail, self.shape = head, tail, shape
        self.weighting, self.reduction = weighting, reduction

    def forward(self, logits: Tensor, target: Target) -> Tensor:
        """The loss of logits [B, K] under their labels."""
        return label_aware_smoothing_loss(
            logits, target, self.class_counts, self.head, self.tail, self.shape, self.weighting, self.reduction
        )

    def extra_repr(self) -> str:
        """Show the options."""
        return f"num_classes={len(self.class_counts)}, head={self.head}, tail={self.tail}, reduction={self.reduction!r}"
