"""Mixes of two images that a map of saliency, of a network's attention or of masks guides."""

from longtail_mix.mixing.guided.keep_labels import KeepLabels
from longtail_mix.mixing.guided.lsm import LSM, area_weight, block_mask, lsm, semantic_weight
from longtail_mix.mixing.guided.saliency_mix import SaliencyMix, saliency_mix, saliency_peaks
from longtail_mix.mixing.guided.spmix import SPMix, spmix

__all__ = [
    "LSM",
    "KeepLabels",
    "SPMix",
    "SaliencyMix",
    "area_weight",
    "block_mask",
    "lsm",
    "saliency_mix",
    "saliency_peaks",
    "semantic_weight",
    "spmix",
]
