"""Mixing: saliency -> ratio -> mixed images or features."""

from longtail_mix.mixing.balanced_pairing import BalancedPairing, balanced_pairing, balanced_partners
from longtail_mix.mixing.blocks import from_blocks, to_blocks
from longtail_mix.mixing.boxes import boxes_around, random_boxes
from longtail_mix.mixing.cmo import CMO
from longtail_mix.mixing.collate import MixCollate
from longtail_mix.mixing.cutmix import CutMix, cutmix
from longtail_mix.mixing.draw_lam import draw_lam
from longtail_mix.mixing.fidelity_ratio import FidelityRatio, fidelity_ratio
from longtail_mix.mixing.in_batch import InBatch
from longtail_mix.mixing.inside import MixInside
from longtail_mix.mixing.keep_labels import KeepLabels
from longtail_mix.mixing.lsm import LSM, area_weight, block_mask, lsm, semantic_weight
from longtail_mix.mixing.merge import MergedSaliency, merged_saliency
from longtail_mix.mixing.mixup import MixUp, mixup
from longtail_mix.mixing.pairing import HeadTailPairing, Pairing, head_tail_pairing, head_tail_partners
from longtail_mix.mixing.patch import PatchMixup, patch_mixup
from longtail_mix.mixing.random_pairing import RandomPairing, ShiftedPairing, random_partners, shifted_partners
from longtail_mix.mixing.ratio import LesionAwareRatio, PaperRatio, lesion_aware_ratio, paper_ratio
from longtail_mix.mixing.released_ratio import ReleasedRatio, released_ratio
from longtail_mix.mixing.remix import Remix, remix
from longtail_mix.mixing.saliency_mix import SaliencyMix, saliency_mix, saliency_peaks
from longtail_mix.mixing.sometimes import Sometimes
from longtail_mix.mixing.spmix import SPMix, spmix
from longtail_mix.mixing.weighted_pairing import InverseFrequencyPairing, weighted_partners

__all__ = [
    "CMO",
    "LSM",
    "BalancedPairing",
    "CutMix",
    "FidelityRatio",
    "HeadTailPairing",
    "InBatch",
    "InverseFrequencyPairing",
    "KeepLabels",
    "LesionAwareRatio",
    "MergedSaliency",
    "MixCollate",
    "MixInside",
    "MixUp",
    "Pairing",
    "PaperRatio",
    "PatchMixup",
    "RandomPairing",
    "ReleasedRatio",
    "Remix",
    "SPMix",
    "SaliencyMix",
    "ShiftedPairing",
    "Sometimes",
    "area_weight",
    "balanced_pairing",
    "balanced_partners",
    "block_mask",
    "boxes_around",
    "cutmix",
    "draw_lam",
    "fidelity_ratio",
    "from_blocks",
    "head_tail_pairing",
    "head_tail_partners",
    "lesion_aware_ratio",
    "lsm",
    "merged_saliency",
    "mixup",
    "paper_ratio",
    "patch_mixup",
    "random_boxes",
    "random_partners",
    "released_ratio",
    "remix",
    "saliency_mix",
    "saliency_peaks",
    "semantic_weight",
    "shifted_partners",
    "spmix",
    "to_blocks",
    "weighted_partners",
]
