"""Merged saliency: where either image of a pair is salient."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_alike, check_map
from longtail_mix._module import Module

__all__ = ["MergedSaliency", "merged_saliency"]


def merged_saliency(tail: Tensor, head: Tensor) -> Tensor:
    """The pixelwise maximum of two saliency maps: ``max(s_h, s_t)`` in Eq. 1 of the SPMix paper.

    Where the tail's lesion is, the tail is kept; where the head's lesion is, the tail is kept as well, so that the
    head's lesion does not enter. The same in plain PyTorch: ``torch.maximum(tail, head)``.

    Args:
        tail: saliency of the images that keep their label, [B, 1, H, W], floating point.
        head: saliency of their partners, same shape, dtype and device.

    Returns:
        The maximum, [B, 1, H, W].

    Raises:
        TypeError: maps that are not floating point.
        ValueError: another shape, two shapes, dtypes or devices, or (on the CPU, uncompiled) NaN or infinity.

    Example:
        >>> merged_saliency(torch.tensor([[[[0.2, 0.9]]]]), torch.tensor([[[[0.5, 0.1]]]]))
        tensor([[[[0.5000, 0.9000]]]])
    """
    check_map(tail, "tail")
    check_map(head, "head")
    check_alike(tail, head, "tail", "head")
    return torch.maximum(tail, head)


class MergedSaliency(Module):
    """Pixelwise maximum of two saliency maps as a module: see :func:`merged_saliency`.

    Shape:
        tail [B, 1, H, W], head [B, 1, H, W] -> [B, 1, H, W].

    Example:
        >>> MergedSaliency()(torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8)).mean()
        tensor(1.)
    """

    def forward(self, tail: Tensor, head: Tensor) -> Tensor:
        """Merge two maps [B, 1, H, W]."""
        return merged_saliency(tail, head)
