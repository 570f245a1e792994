"""Partners from rare classes more often: the foregrounds of CMO."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor

from longtail_mix._checks import (
    check_class_counts,
    check_counted,
    check_floating,
    check_generator,
    check_labels,
    check_number,
    check_same_device,
    values_are_readable,
)
from longtail_mix._module import Module
from longtail_mix.mixing.pairing._partners import as_pairs, draw_partners

__all__ = ["InverseFrequencyPairing", "weighted_partners"]

LARGEST_WEIGHT = 1e30  # beside a smallest of 1


def weighted_partners(
    labels: Tensor, class_weights: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """For each image another one of the batch, drawn in proportion to the weight of its class.

    Time and memory grow with the size of the batch, but for a search, and not with its square.

    Args:
        labels: [B], integers.
        class_weights: [K], floating point, at least 0: how often an image of each class is a partner.
        generator: on the same kind of device as `labels`.

    Returns:
        ``partner`` [B], int64, each image's own index where it has none, and ``mixed`` [B] bool, where it has one.

    Raises:
        TypeError, ValueError: labels that are not integers [B] or (on the CPU, uncompiled) outside the classes;
            weights that are negative or not finite; devices that differ.

    Example:
        >>> weighted_partners(torch.tensor([0, 0, 1]), torch.tensor([0.0, 1.0]))
        (tensor([2, 2, 2]), tensor([ True,  True, False]))
    """
    check_floating(class_weights, "class_weights")
    if class_weights.ndim != 1 or not len(class_weights):
        raise ValueError(f"class_weights: expected one for each class, got shape {list(class_weights.shape)}")
    if values_are_readable(class_weights) and not ((class_weights >= 0) & class_weights.isfinite()).all():
        raise ValueError(f"class_weights: expected finite numbers of at least 0, got {class_weights.tolist()}")
    check_labels(labels, len(class_weights))
    check_same_device(class_weights, labels, "class_weights", "labels")
    check_generator(generator, labels.device)
    # Relative to the largest, so that their sum is finite; and what is above 0 stays so.
    weights = class_weights.double()
    largest = weights.max()
    relative = (weights / torch.where(largest > 0, largest, 1.0)).clamp(min=1 / LARGEST_WEIGHT)
    return draw_partners(torch.where(weights > 0, relative, 0.0)[labels.long()], generator)


class InverseFrequencyPairing(Module):
    """Partners in inverse proportion to how frequent their class is in training, as a module.

    Each image of the batch is a partner with weight ``1 / n_k ** power``, n_k the training images of its class. In
    batches drawn evenly from the data, class k is then partner with probability proportional to ``n_k ** (1 -
    power)``: 1 makes all classes equally likely, 0 leaves them as they come.

    Args:
        class_counts: training images per class [K], position k for label k.
        power: at least 0.

    Shape:
        labels [B] -> index [M], partner_index [M]; M is B, or 0 for a batch of one.

    Raises:
        TypeError, ValueError: bad counts or power, or weights too far apart; labels outside the classes, or
            of a class without images.

    Example:
        >>> pairing = InverseFrequencyPairing([900, 90, 9])
        >>> pairing(torch.tensor([0, 2]))
        (tensor([0, 1]), tensor([1, 0]))
    """

    class_counts: Tensor

    def __init__(self, class_counts: Sequence[int] | Tensor, power: float = 1.0) -> None:
        super().__init__()
        check_number(power, "power")
        if not 0.0 <= power < float("inf"):
            raise ValueError(f"power: expected a finite number of at least 0, got {power}")
        counts = check_class_counts(class_counts)
        rarest = min(count for count in counts if count)
        if power * log(max(counts) / rarest) > log(LARGEST_WEIGHT):
            raise ValueError(
                f"power: expected weights of at most {LARGEST_WEIGHT:g} times each other, "
                f"got {power} for counts from {rarest} to {max(counts)}"
            )
        self.power = power
        self.register_buffer("class_counts", torch.tensor(counts), persistent=False)

    def partners(self, labels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """A partner for each image, [B], and which images have one, [B]: see :func:`weighted_partners`."""
        check_labels(labels)
        counts = self.class_counts.to(labels.device)
        check_counted(labels, counts)
        # Relative to the most frequent class, so that a high power does not underflow.
        weights = (counts.max() / counts.clamp(min=1)) ** self.power
        return weighted_partners(labels, weights, generator)

    def forward(self, labels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Indices of the images that are mixed [M] and of their partners [M]."""
        return as_pairs(*self.partners(labels, generator))

    def extra_repr(self) -> str:
        """Show the options."""
        return f"class_counts={self.class_counts.tolist()}, power={self.power}"
