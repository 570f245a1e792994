"""Mixes of two images that a map of saliency, of a network's attention or of masks guides."""

from longtail_mix.mixing.guided.attentive_mix import (
    AttentiveMix,
)
from longtail_mix.mixing.guided.copy_paste import (
    CopyPaste,
    placed_grid,
)
from longtail_mix.mixing.guided.fill_in import fill_in
from longtail_mix.mixing.guided.guided_mixup import (
    GuidedMixup,
)
from longtail_mix.mixing.guided.keep_labels import KeepLabels
from longtail_mix.mixing.guided.lsm import LSM, area_weight, block_mask, lsm, semantic_weight
from longtail_mix.mixing.guided.other_skin import OtherSkin
from longtail_mix.mixing.guided.puzzle_mix import PuzzleMix
from longtail_mix.mixing.guided.saliency_mix import SaliencyMix, saliency_mix, saliency_peaks
from longtail_mix.mixing.guided.skin_swap import (
    SkinSwap,
)
from longtail_mix.mixing.guided.snap_mix import (
    SnapMix,
)
from longtail_mix.mixing.guided.soft_edges import (
    soft_edges,
)
from longtail_mix.mixing.guided.spmix import SPMix, spmix
from longtail_mix.mixing.guided.token_mix import TokenMix

__all__ = [
    "LSM",
    "AttentiveMix",
    "CopyPaste",
    "GuidedMixup",
    "KeepLabels",
    "OtherSkin",
    "PuzzleMix",
    "SPMix",
    "SaliencyMix",
    "SkinSwap",
    "SnapMix",
    "TokenMix",
    "area_weight",
    "block_mask",
    "fill_in",
    "lsm",
    "placed_grid",
    "saliency_mix",
    "saliency_peaks",
    "semantic_weight",
    "soft_edges",
    "spmix",
]
