"""UniMix: mixup whose share favours the rarer class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from longtail_mix._checks import check_counted, check_counts_of_all, check_positive, check_share
from longtail_mix.mixing._pairs import of_each
from longtail_mix.mixing.class_aware.remix import check_counts_tensor
from longtail_mix.mixing.draws import draw_lam
from longtail_mix.mixing.mix import Mix, Pairs
from longtail_mix.mixing.record import MixRecord

__all__ = ["UniMix", "unimix_share"]


def unimix_share(lam: Tensor, first_labels: Tensor, second_labels: Tensor, class_counts: Tensor) -> Tensor:
    """Turn a share about 1/2 into one about ``n2 / (n1 + n2)``: the UniMix factor of Xu et al. 2021.

    With n1 and n2 the training images of the two classes, the middle of the distribution moves from 1/2 to
    ``n2 / (n1 + n2)``, so the rarer class has the larger share on average. What moves out of [0, 1] comes in again at
    the other end, as our reading of the paper's two pieces::

        share = (lam - 1 / 2 + n2 / (n1 + n2)) % 1

    Args:
        lam: shares of the first images [B], floating point in [0, 1], symmetric about 1/2; see :func:`draw_lam`.
        first_labels: their classes [B], integers.
        second_labels: the partners' classes [B].
        class_counts: training images per class [K], integers, on the device of the labels.

    Returns:
        [B] in [0, 1], in the dtype of `lam`.

    Raises:
        TypeError, ValueError: shares out of range; labels outside `class_counts`, or of a class without images by it.

    Example:
        >>> lam, counts = torch.tensor([0.5, 0.75]), torch.tensor([300, 100])
        >>> unimix_share(lam, torch.tensor([0, 0]), torch.tensor([1, 1]), counts)
        tensor([0.2500, 0.5000])
    """
    check_share(lam, "lam")
    check_counts_tensor(class_counts)
    check_counted(first_labels, class_counts, "first_labels")
    check_counted(second_labels, class_counts, "second_labels")
    n1, n2 = (class_counts[labels.long()].to(lam.dtype) for labels in (first_labels, second_labels))
    return torch.remainder(lam - 0.5 + n2 / (n1 + n2), 1)


class UniMix(Mix):
    """Mixup with the share of :func:`unimix_share`, images and labels alike.

    In the paper partners are drawn in favour of rare classes too, ``InBatch(UniMix(counts),
    InverseFrequencyPairing(counts))``, and the loss corrects for the prior (its "Bayias"), which is
    :class:`~longtail_mix.BalancedSoftmaxLoss`.

    Args:
        class_counts: training images per class [K], position k for label k, each at least 1.
        alpha: of the Beta distribution the shares come from before they are moved, above 0; 0.5 in the paper.

    Shape:
        first [B, C, H, W], first_labels [B], second [B, C, H, W], second_labels [B] -> images [B, C, H, W],
        :class:`~longtail_mix.MixedTarget`. Or volumes [B, C, D, H, W].

    Example:
        >>> from longtail_mix import InBatch, InverseFrequencyPairing
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> images, target = InBatch(UniMix([900, 50, 5]), InverseFrequencyPairing([900, 50, 5]))(images, labels)
        >>> target.soft(3).shape
        torch.Size([4, 3])
    """

    takes_volumes = True
    class_counts: Tensor

    def __init__(self, class_counts: Sequence[int] | Tensor, alpha: float = 0.5) -> None:
        super().__init__()
        check_positive(alpha, "alpha")
        self.alpha = alpha
        # Not in the state dict: it follows from the arguments.
        self.register_buffer("class_counts", torch.tensor(check_counts_of_all(class_counts)), persistent=False)

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """One share for all pixels, larger for the rarer class."""
        labels = pairs.first_labels
        lam = draw_lam(labels, self.alpha, generator)
        lam = unimix_share(lam, labels, pairs.second_labels, self.class_counts.to(labels.device))
        return MixRecord(of_each(lam, pairs.first), lam)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"class_counts={self.class_counts.tolist()}, alpha={self.alpha}"
