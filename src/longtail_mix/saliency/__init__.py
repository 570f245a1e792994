"""Saliency: images -> [B, 1, H, W] in [0, 1]. One detector per file."""

from longtail_mix.saliency.fine_grained import SaliencyMap, saliency_map

__all__ = ["SaliencyMap", "saliency_map"]
