"""The pairings of classic mixup: any image with any other, and each with the one before it."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_generator, check_labels_or_shares
from longtail_mix._module import Module
from longtail_mix.mixing.pairing._partners import as_pairs

__all__ = ["RandomPairing", "ShiftedPairing", "random_partners", "shifted_partners"]


def random_partners(labels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """For each image another one of the batch, whatever its class; each is partner once.

    The images are put in a random circle and each gets its neighbour, so that, unlike with a random permutation, no
    image is mixed with itself.

    Args:
        labels: integers [B], or [B, K] of several classes; only their number and device matter.
        generator: on the same kind of device as `labels`.

    Returns:
        ``partner`` [B], int64, and ``mixed`` [B] bool: all true, but for a batch of one.

    Raises:
        TypeError, ValueError: labels that are neither integers [B] nor shares [B, K], a generator on another device.

    Example:
        >>> random_partners(torch.tensor([3, 5]))
        (tensor([1, 0]), tensor([True, True]))
    """
    check_labels_or_shares(labels)
    check_generator(generator, labels.device)
    circle = torch.empty(labels.shape[:1], device=labels.device).uniform_(generator=generator).argsort()
    partner = torch.empty_like(circle).scatter_(0, circle, circle.roll(1))
    return partner, _all_but_one(labels)


def shifted_partners(labels: Tensor) -> tuple[Tensor, Tensor]:
    """For each image the one before it in the batch, for the first the last, as torchvision pairs them.

    Random only as far as the batch was shuffled.

    Args:
        labels: integers [B], or [B, K] of several classes; only their number and device matter.

    Returns:
        ``partner`` [B], int64, and ``mixed`` [B] bool: all true, but for a batch of one.

    Raises:
        TypeError, ValueError: labels that are neither integers [B] nor shares [B, K].

    Example:
        >>> shifted_partners(torch.tensor([3, 5, 4]))
        (tensor([2, 0, 1]), tensor([True, True, True]))
    """
    check_labels_or_shares(labels)
    return torch.arange(len(labels), device=labels.device).roll(1), _all_but_one(labels)


def _all_but_one(labels: Tensor) -> Tensor:
    return torch.full(labels.shape[:1], len(labels) > 1, device=labels.device)


class RandomPairing(Module):
    """Any other image of the batch, as a module: see :func:`random_partners`.

    Shape:
        labels [B] -> index [M], partner_index [M]; M is B, or 0 for a batch of one.

    Example:
        >>> RandomPairing()(torch.tensor([0, 1]))
        (tensor([0, 1]), tensor([1, 0]))
    """

    def partners(self, labels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """A partner for each image, [B], and which images have one, [B]."""
        return random_partners(labels, generator)

    def forward(self, labels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Indices of the images that are mixed [M] and of their partners [M]."""
        return as_pairs(*self.partners(labels, generator))


class ShiftedPairing(Module):
    """The image before it in the batch, as a module: see :func:`shifted_partners`.

    Shape:
        labels [B] -> index [M], partner_index [M]; M is B, or 0 for a batch of one.

    Example:
        >>> ShiftedPairing()(torch.tensor([0, 1, 2]))
        (tensor([0, 1, 2]), tensor([2, 0, 1]))
    """

    def partners(self, labels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """A partner for each image, [B], and which images have one, [B]; nothing is drawn."""
        check_labels_or_shares(labels)
        check_generator(generator, labels.device)
        return shifted_partners(labels)

    def forward(self, labels: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Indices of the images that are mixed [M] and of their partners [M]."""
        return as_pairs(*self.partners(labels, generator))
