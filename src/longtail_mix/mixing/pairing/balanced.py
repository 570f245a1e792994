"""A partner for every image, each class of the batch equally likely: the roles of the SPMix released code."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_generator, check_labels
from longtail_mix._module import Module

__all__ = ["BalancedPairing", "balanced_pairing", "balanced_partners"]


def balanced_partners(labels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """For each image another one of the batch: first a class, each class equally likely, then one of its images.

    The SPMix authors' released code mixes a batch as it comes, which keeps its labels, with a class-balanced batch;
    this is that within one batch. The partner may be of the same class, but is never the image itself.

    Args:
        labels: [B], integers, at least 0.
        generator: on the same kind of device as `labels`.

    Returns:
        ``partner`` [B], int64, and ``mixed`` [B] bool: all true, but for a batch of one.

    Raises:
        TypeError, ValueError: labels that are not integers [B] or (on the CPU, uncompiled) negative; a generator on
            another device.

    Example:
        >>> balanced_partners(torch.tensor([3, 5]))
        (tensor([1, 0]), tensor([True, True]))
    """
    check_labels(labels)
    check_generator(generator, labels.device)
    size = len(labels)
    rows = torch.arange(size, device=labels.device)
    draw = torch.empty((2, size), device=labels.device).uniform_(generator=generator)
    if size < 2:
        return rows, torch.zeros_like(labels, dtype=torch.bool)
    in_order, order = labels.sort(stable=True)
    position = torch.empty_like(order).scatter_(0, order, rows)  # of each image in that order
    # The classes of the batch, numbered from 0: where each begins, and where it ends.
    number = torch.cat([torch.zeros_like(order[:1]), (in_order[1:] != in_order[:-1]).cumsum(0)])
    first, after = torch.searchsorted(number, rows), torch.searchsorted(number, rows, right=True)
    own = number[position]
    is_alone = after[own] - first[own] == 1
    # A class, but not the image's own where it has no other image; then one of its images, but not the image itself.
    classes = number[-1] + 1 - is_alone.long()
    chosen = torch.minimum((draw[0] * classes).long(), (classes - 1).clamp(min=0))
    chosen = torch.where(is_alone & (chosen >= own), chosen + 1, chosen)
    is_own = chosen == own
    images = after[chosen] - first[chosen] - is_own.long()
    place = first[chosen] + torch.minimum((draw[1] * images).long(), images - 1)
    place = torch.where(is_own & (place >= position), place + 1, place)
    return order[place], torch.ones_like(labels, dtype=torch.bool)


def balanced_pairing(labels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Pairs of batch indices, each image and the partner that :func:`balanced_partners` draws for it.

    Args:
        labels: [B], integers, at least 0.
        generator: on the same kind of device as `labels`.

    Returns:
        ``index`` [M] and ``partner_index`` [M], int64; M is B, or 0 for a batch of one.

    Raises:
        TypeError, ValueError: as :func:`balanced_partners`.

    Example:
        >>> balanced_pairing(torch.tensor([0, 1]))
        (tensor([0, 1]), tensor([1, 0]))
    """
    partner, _ = balanced_partners(labels, generator)
    index = torch.arange(len(labels) if len(labels) > 1 else 0, device=labels.device)
    return index, partner[index]


class BalancedPairing(Module):
    """A class-balanced partner for every image of a batch, as a module: see :func:`balanced_pairing`.

    Shape:
        labels [B] -> index [M], partner_index [M]; M is B, or 0 for a batch of one.

    Example:
        >>> BalancedPairing()(torch.tensor([0, 1]))
        (tensor([0, 1]), tensor([1, 0]))
    """

    def partners(self, labels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """A partner for each image, [B], and which images have one, [B]."""
        return balanced_partners(labels, generator)

    def forward(self, labels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Indices of the images that keep their label [M] and of the partners drawn for them [M]."""
        return balanced_pairing(labels, generator)
