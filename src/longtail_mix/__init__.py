"""Saliency-guided mixing and attention for long-tailed image classification, medical pictures first."""

from longtail_mix import functional
from longtail_mix._version import __version__
from longtail_mix.class_groups import ClassGroups, many_medium_few, many_medium_few_by_count
from longtail_mix.losses import (
    CAREAttentionLoss,
    CARELoss,
    CosineClassifier,
    DistanceWeightedOutside,
    FocalLoss,
    LDAMLoss,
    WeightedCrossEntropy,
)
from longtail_mix.mixing import (
    BalancedPairing,
    HeadTailPairing,
    LesionAwareRatio,
    MergedSaliency,
    MixInside,
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
from longtail_mix.weighting import (
    ClassBalancedWeights,
    ClassWeights,
    ClassWiseHardExamples,
    DeferredWeighting,
    EffectiveNumberWeights,
    HardExamples,
    Pace,
    SelfPaced,
    mean_one_over_classes,
    mean_one_over_pictures,
    set_epoch,
)

__all__ = [
    "BalancedPairing",
    "BooleanMapSaliency",
    "CAREAttentionLoss",
    "CARELoss",
    "ClassBalancedWeights",
    "ClassGroups",
    "ClassWeights",
    "ClassWiseHardExamples",
    "CosineClassifier",
    "DeferredWeighting",
    "DistanceWeightedOutside",
    "EffectiveNumberWeights",
    "FocalLoss",
    "GradCAM",
    "HardExamples",
    "HeadTailPairing",
    "LDAMLoss",
    "LesionAwareRatio",
    "MergedSaliency",
    "MixInside",
    "MixedTarget",
    "Pace",
    "PaperRatio",
    "PatchMixup",
    "ReleasedRatio",
    "SPMix",
    "SaliencyMap",
    "SegmentationSaliency",
    "SelfPaced",
    "SkinContrastSaliency",
    "SpectralResidualSaliency",
    "WeightedCrossEntropy",
    "__version__",
    "functional",
    "many_medium_few",
    "many_medium_few_by_count",
    "mean_one_over_classes",
    "mean_one_over_pictures",
    "set_epoch",
]
