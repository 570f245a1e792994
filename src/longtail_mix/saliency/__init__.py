"""Saliency: images -> [B, 1, H, W] in [0, 1]. One detector per file."""

from longtail_mix.saliency.boolean_map import BooleanMapSaliency, boolean_map_saliency
from longtail_mix.saliency.fine_grained import SaliencyMap, saliency_map
from longtail_mix.saliency.segmentation import SegmentationSaliency, lesion_probability
from longtail_mix.saliency.skin_contrast import SkinContrastSaliency, skin_contrast_saliency
from longtail_mix.saliency.spectral_residual import SpectralResidualSaliency, spectral_residual_saliency

__all__ = [
    "BooleanMapSaliency",
    "SaliencyMap",
    "SegmentationSaliency",
    "SkinContrastSaliency",
    "SpectralResidualSaliency",
    "boolean_map_saliency",
    "lesion_probability",
    "saliency_map",
    "skin_contrast_saliency",
    "spectral_residual_saliency",
]
