"""Saliency: images -> [B, 1, H, W] in [0, 1]. One detector per file."""

from longtail_mix.saliency.boolean_map import BooleanMapSaliency, boolean_map_saliency
from longtail_mix.saliency.cam import class_activation_map
from longtail_mix.saliency.clamp import ClampToRange, clamp_to_range
from longtail_mix.saliency.fine_grained import SaliencyMap, saliency_map
from longtail_mix.saliency.grad_cam import GradCAM, grad_cam
from longtail_mix.saliency.mean import MeanSaliency, mean_saliency
from longtail_mix.saliency.segmentation import SegmentationSaliency, lesion_probability
from longtail_mix.saliency.skin_contrast import SkinContrastSaliency, skin_contrast_saliency
from longtail_mix.saliency.spectral_residual import SpectralResidualSaliency, spectral_residual_saliency
from longtail_mix.saliency.token_grid import TokenGrid, channels_to_front

__all__ = [
    "BooleanMapSaliency",
    "ClampToRange",
    "GradCAM",
    "MeanSaliency",
    "SaliencyMap",
    "SegmentationSaliency",
    "SkinContrastSaliency",
    "SpectralResidualSaliency",
    "TokenGrid",
    "boolean_map_saliency",
    "channels_to_front",
    "clamp_to_range",
    "class_activation_map",
    "grad_cam",
    "lesion_probability",
    "mean_saliency",
    "saliency_map",
    "skin_contrast_saliency",
    "spectral_residual_saliency",
]
