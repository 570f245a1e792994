"""A partner for every image, each class of the batch equally likely: the roles of the SPMix released code."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from longtail_mix._checks import check_generator, check_labels
from longtail_mix.mixing.pairing._partners import draw_partners

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
    same_class = labels.unsqueeze(1) == labels
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    # In each class (column), the images that this image (row) could get.
    choices = same_class.sum(0) - same_class.long()
    return draw_partners((~itself).to(torch.float32) / choices.clamp(min=1), generator)


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


class BalancedPairing(nn.Module):
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
