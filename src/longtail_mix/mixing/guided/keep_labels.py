"""SPMix in the shape of the other mixes."""

from __future__ import annotations

import torch

from longtail_mix.mixing.guided.spmix import SPMix
from longtail_mix.mixing.mix import Mix, Pairs
from longtail_mix.mixing.record import MixRecord

__all__ = ["KeepLabels"]


class KeepLabels(Mix):
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
        if not isinstance(spmix, SPMix):
            raise TypeError(f"spmix: expected an SPMix, got {type(spmix).__name__}")
        self.spmix = spmix

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """The ratio of SPMix's recipe, and a label that stays."""
        tail_map, head_map = pairs.first_map, pairs.second_map
        if tail_map is None or head_map is None:
            tail_map, head_map = self.spmix.maps(pairs.first), self.spmix.maps(pairs.second)
        ratio = self.spmix.recipe(tail_map, head_map, generator)
        return MixRecord(ratio, torch.ones(len(ratio), device=ratio.device))
