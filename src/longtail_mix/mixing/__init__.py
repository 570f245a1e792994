"""Mixing: saliency -> ratio -> mixed pictures or features."""

from longtail_mix.mixing.balanced_pairing import BalancedPairing, balanced_pairing, balanced_partners
from longtail_mix.mixing.inside import MixInside
from longtail_mix.mixing.merge import MergedSaliency, merged_saliency
from longtail_mix.mixing.pairing import HeadTailPairing, Pairing, head_tail_pairing, head_tail_partners
from longtail_mix.mixing.patch import PatchMixup, patch_mixup
from longtail_mix.mixing.ratio import LesionAwareRatio, PaperRatio, lesion_aware_ratio, paper_ratio
from longtail_mix.mixing.released_ratio import ReleasedRatio, released_ratio
from longtail_mix.mixing.spmix import SPMix, spmix

__all__ = [
    "BalancedPairing",
    "HeadTailPairing",
    "LesionAwareRatio",
    "MergedSaliency",
    "MixInside",
    "Pairing",
    "PaperRatio",
    "PatchMixup",
    "ReleasedRatio",
    "SPMix",
    "balanced_pairing",
    "balanced_partners",
    "head_tail_pairing",
    "head_tail_partners",
    "lesion_aware_ratio",
    "merged_saliency",
    "paper_ratio",
    "patch_mixup",
    "released_ratio",
    "spmix",
]
