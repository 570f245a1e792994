"""SPMix in the shape of the other mixes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from longtail_mix.mixing._pairs import check_pairs
from longtail_mix.mixing.guided.spmix import SPMix
from longtail_mix.targets import MixedTarget

__all__ = ["KeepLabels"]


class KeepLabels(nn.Module):
    """An :class:`~longtail_mix.SPMix` as a mix of pairs like all others: the first label is kept whole, ``lam = 1``.

    For loops that compare mixes; alone, SPMix needs it not.

    Args:
        spmix: its saliency and recipe are used; who is paired is decided outside, as for every mix.

    Shape:
        tail [B, 3, H, W], tail_labels [B], head [B, 3, H, W], head_labels [B], and the saliency [B, 1, H, W] of both if
        computed before -> images [B, 3, H, W], :class:`~longtail_mix.MixedTarget`.

    Example:
        >>> from longtail_mix import HeadTailPairing, InBatch
        >>> mix = InBatch(KeepLabels(SPMix()), HeadTailPairing([900, 50, 5]))
        >>> images, target = mix(torch.rand(4, 3, 32, 32), torch.tensor([0, 0, 1, 2]))
        >>> target.lam
        tensor([1., 1., 1., 1.])
    """

    def __init__(self, spmix: SPMix) -> None:
        super().__init__()
        self.spmix = spmix

    def forward(
        self,
        tail: Tensor,
        tail_labels: Tensor,
        head: Tensor,
        head_labels: Tensor,
        tail_map: Tensor | None = None,
        head_map: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, MixedTarget]:
        """Mix pairs with the noise drawn from `generator`."""
        check_pairs(tail, tail_labels, head, head_labels, "tail", "head")
        if tail_map is None or head_map is None:
            tail_map, head_map = self.spmix.saliency(tail), self.spmix.saliency(head)
        mixed = self.spmix.mix(tail, head, self.spmix.recipe(tail_map, head_map, generator))
        lam = torch.ones(len(tail_labels), device=tail_labels.device)
        return mixed, MixedTarget(tail_labels, head_labels, lam)
