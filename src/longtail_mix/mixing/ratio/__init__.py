"""Recipes: from the saliency of two images to the share of the first in each patch."""

from longtail_mix.mixing.ratio.fidelity import FidelityRatio, fidelity_ratio
from longtail_mix.mixing.ratio.merge import MergedSaliency, merged_saliency
from longtail_mix.mixing.ratio.paper import NOISE, LesionAwareRatio, PaperRatio, lesion_aware_ratio, paper_ratio
from longtail_mix.mixing.ratio.released import ReleasedRatio, released_ratio

__all__ = [
    "NOISE",
    "FidelityRatio",
    "LesionAwareRatio",
    "MergedSaliency",
    "PaperRatio",
    "ReleasedRatio",
    "fidelity_ratio",
    "lesion_aware_ratio",
    "merged_saliency",
    "paper_ratio",
    "released_ratio",
]
