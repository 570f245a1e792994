"""Remix: mixup whose label goes to the rare class where the frequent one is only a minor part of the image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from longtail_mix._checks import (
    check_class_counts,
    check_counted,
    check_number,
    check_positive,
    check_tensor,
)
from longtail_mix.mixing._pairs import of_each
from longtail_mix.mixing.classic import mixup
from longtail_mix.mixing.draws import draw_lam
from longtail_mix.mixing.mix import Mix, Pairs
from longtail_mix.mixing.record import MixRecord
from longtail_mix.targets import MixedTarget

__all__ = ["Remix", "remix"]


def remix(
    first: Tensor,
    first_labels: Tensor,
    second: Tensor,
    second_labels: Tensor,
    lam: Tensor,
    class_counts: Tensor,
    kappa: float = 3.0,
    tau: float = 0.5,
) -> tuple[Tensor, MixedTarget]:
    """Mix images as mixup does, and labels in favour of the rarer class: Chou et al. 2020.

    With n1 and n2 the training images of the two classes, the first label's weight is

    - 0 where ``n1 / n2 >= kappa`` and ``lam < tau``: the first is far more frequent, and the smaller part;
    - 1 where ``n1 / n2 <= 1 / kappa`` and ``1 - lam < tau``: the second is, likewise;
    - `lam` elsewhere.

    Args:
        first: images [B, C, H, W], uint8 or floating point.
        first_labels: their classes [B], integers.
        second: their partners, same shape, dtype and device.
        second_labels: the partners' classes [B].
        lam: the share of each first image [B], floating point in [0, 1]; see :func:`draw_lam`.
        class_counts: training images per class [K], integers, on the device of the labels.
        kappa: how many times more frequent a class has to be, above 1; 3 in the paper.
        tau: the share below which it loses its label, in [0, 1]; 0.5 in the paper.

    Returns:
        The mix, in shape and dtype of `first`, and its :class:`~longtail_mix.MixedTarget`.

    Raises:
        TypeError, ValueError: as :func:`mixup`; options out of range; labels outside `class_counts`, or of a class that
            has no images by it.

    Example:
        >>> first, second = torch.zeros(2, 3, 2, 2), torch.ones(2, 3, 2, 2)
        >>> lam, counts = torch.tensor([0.4, 0.6]), torch.tensor([900, 5])
        >>> _, target = remix(first, torch.tensor([0, 0]), second, torch.tensor([1, 1]), lam, counts)
        >>> target.lam
        tensor([0.0000, 0.6000])
    """
    _check_options(kappa, tau)
    mixed, target = mixup(first, first_labels, second, second_labels, lam)
    return mixed, target._replace(lam=remix_weight(first_labels, second_labels, lam, class_counts, kappa, tau))


def remix_weight(
    first_labels: Tensor, second_labels: Tensor, lam: Tensor, class_counts: Tensor, kappa: float, tau: float
) -> Tensor:
    """The first label's weight [B], from its share of the image."""
    check_counts_tensor(class_counts)
    check_counted(first_labels, class_counts, "first_labels")
    check_counted(second_labels, class_counts, "second_labels")
    n1, n2 = (class_counts[labels.long()].to(torch.float32) for labels in (first_labels, second_labels))
    weight = torch.where((n1 >= kappa * n2) & (lam < tau), 0.0, lam)
    return torch.where((n2 >= kappa * n1) & (1 - lam < tau), 1.0, weight)


def check_counts_tensor(class_counts: Tensor) -> None:
    """Counts as a tensor [K]."""
    check_tensor(class_counts, "class_counts")
    if class_counts.ndim != 1:
        raise ValueError(f"class_counts: expected one count for each class, got shape {list(class_counts.shape)}")


def _check_options(kappa: float, tau: float) -> None:
    check_number(kappa, "kappa")
    if not 1.0 < kappa < float("inf"):
        raise ValueError(f"kappa: expected a finite number above 1, got {kappa}")
    check_number(tau, "tau")
    if not 0.0 <= tau <= 1.0:
        raise ValueError(f"tau: expected a number from 0 to 1, got {tau}")


class Remix(Mix):
    """Remix with a share of its own for each pair, as a module: see :func:`remix`.

    Args:
        class_counts: training images per class [K], position k for label k.
        alpha: of the Beta distribution the shares come from, above 0.
        kappa: how many times more frequent a class has to be to lose its label, above 1.
        tau: the share below which it does, in [0, 1].

    Shape:
        first [B, C, H, W], first_labels [B], second [B, C, H, W], second_labels [B] -> images [B, C, H, W],
        :class:`~longtail_mix.MixedTarget`. Or volumes [B, C, D, H, W].

    Example:
        >>> from longtail_mix import InBatch, RandomPairing
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> images, target = InBatch(Remix([900, 50, 5]), RandomPairing())(images, labels)
        >>> target.soft(3).shape
        torch.Size([4, 3])
    """

    takes_volumes = True
    class_counts: Tensor

    def __init__(
        self, class_counts: Sequence[int] | Tensor, alpha: float = 1.0, kappa: float = 3.0, tau: float = 0.5
    ) -> None:
        super().__init__()
        check_positive(alpha, "alpha")
        _check_options(kappa, tau)
        self.alpha, self.kappa, self.tau = alpha, kappa, tau
        # Not in the state dict: it follows from the arguments.
        self.register_buffer("class_counts", torch.tensor(check_class_counts(class_counts)), persistent=False)

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """Mixup's mask, and a label that favours the rarer class."""
        labels, other = pairs.first_labels, pairs.second_labels
        lam = draw_lam(labels, self.alpha, generator)
        weight = remix_weight(labels, other, lam, self.class_counts.to(labels.device), self.kappa, self.tau)
        return MixRecord(of_each(lam, pairs.first), weight)

    def extra_repr(self) -> str:
        """Show the options."""
        counts = self.class_counts.tolist()
        return f"class_counts={counts}, alpha={self.alpha}, kappa={self.kappa}, tau={self.tau}"
