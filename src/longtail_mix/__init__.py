"""Saliency-guided mixing and attention for long-tailed image classification, medical pictures first."""

from longtail_mix import functional
from longtail_mix._version import __version__
from longtail_mix.class_groups import ClassGroups, many_medium_few, many_medium_few_by_count
from longtail_mix.mixing import (
    BalancedPairing,
    HeadTailPairing,
    LesionAwareRatio,
    MergedSaliency,
    PaperRatio,
    PatchMixup,
    ReleasedRatio,
    SPMix,
)
from longtail_mix.saliency import (
    BooleanMapSaliency,
    GradCAM,
    SaliencyMap,
    SegmentationSaliency,
    SkinContrastSaliency,
    SpectralResidualSaliency,
)
from longtail_mix.targets import MixedTarget

__all__ = [
    "BalancedPairing",
    "BooleanMapSaliency",
    "ClassGroups",
    "GradCAM",
    "HeadTailPairing",
    "LesionAwareRatio",
    "MergedSaliency",
    "MixedTarget",
    "PaperRatio",
    "PatchMixup",
    "ReleasedRatio",
    "SPMix",
    "SaliencyMap",
    "SegmentationSaliency",
    "SkinContrastSaliency",
    "SpectralResidualSaliency",
    "__version__",
    "functional",
    "many_medium_few",
    "many_medium_few_by_count",
]
