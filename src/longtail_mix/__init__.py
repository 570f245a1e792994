"""Saliency-guided mixing and attention for long-tailed image classification, medical images first.

What to use when; each name has a docstring with shapes, its equation and an example::

    ===========================  =================================================================================
    you want to                  use
    ===========================  =================================================================================
    mix rare classes into skin   ``SPMix(class_counts, mean=mean, std=std)``
    mix any other way            ``InBatch(CutMix(), HeadTailPairing(class_counts))``; ``MixUp``, ``CMO``, ``LSM``
    mix in a collator, as timm   ``MixCollate``, ``SoftTargetMix``; inside a model ``MixInside``
    carry masks and boxes along  ``mix.with_record(...)``; ``functional.carry_masks``, ``functional.carry_boxes``
    find the lesion              ``SkinContrastSaliency``, ``SegmentationSaliency``; the paper's ``SaliencyMap``
    draw classes evenly          ``sampling.ClassSampler.balanced(labels)``; also ``sampling.TwoStreamLoader``
    correct the loss instead     ``BalancedSoftmaxLoss``, ``LogitAdjustmentLoss``, ``LDAMLoss``, ``FocalLoss``
    weigh classes or images      ``EffectiveNumberWeights``, ``ClassBalancedWeights``, ``SelfPaced``
    learn by contrast            ``SupervisedContrastiveLoss``, ``PaCoLoss``, ``BalancedContrastiveLoss``
    ask for the same of two      ``ConsistencyLoss``
    attend to the lesion         ``GradCAM``, ``CARELoss``, ``LesionRegions``
    read and split data          ``data.load_images``, ``data.group_split``, ``data.read_isic2018``
    measure                      ``metrics.long_tail_metrics``, ``metrics.MixFidelity``
    look                         ``visualize.pair_panel``
    write without modules        ``functional``
    ===========================  =================================================================================

A mix returns images and a ``MixedTarget``, which every loss here takes; in evaluation mode it hands both through.
``data``, ``metrics``, ``sampling`` and ``visualize`` load when they are used; ``metrics`` and ``visualize`` need the
extra ``examples``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from longtail_mix import functional
from longtail_mix._version import __version__
from longtail_mix.class_groups import ClassGroups, many_medium_few, many_medium_few_by_count
from longtail_mix.color_constancy import ShadesOfGray
from longtail_mix.feature_queue import FeatureQueue
from longtail_mix.losses import (
    BalancedContrastiveLoss,
    BalancedSoftmaxLoss,
    CAREAttentionLoss,
    CARELoss,
    ConsistencyLoss,
    CosineClassifier,
    DistanceWeightedOutside,
    FocalLoss,
    LabelAwareSmoothingLoss,
    LADELoss,
    LDAMLoss,
    LogitAdjustmentLoss,
    PaCoLoss,
    SupervisedContrastiveLoss,
    WeightedCrossEntropy,
)
from longtail_mix.mixing import (
    CMO,
    LSM,
    AlignFeatures,
    AttentiveMix,
    BalancedMixUp,
    BalancedPairing,
    ClassAttention,
    CopyPaste,
    CutMix,
    FidelityRatio,
    FMix,
    GridMix,
    GuidedMixup,
    HeadTailPairing,
    InBatch,
    InverseFrequencyPairing,
    KeepLabels,
    LesionAwareRatio,
    MergedSaliency,
    Mix,
    MixCollate,
    MixInside,
    MixRecord,
    MixUp,
    OneOf,
    OtherSkin,
    Pairs,
    PaperRatio,
    PatchMixup,
    PuzzleMix,
    RandomPairing,
    ReleasedRatio,
    Remix,
    ResizeMix,
    SaliencyMix,
    Scheduled,
    ShiftedPairing,
    SkinSwap,
    SmoothMix,
    SnapMix,
    SoftTargetMix,
    Sometimes,
    SPMix,
    TokenMix,
    UniMix,
)
from longtail_mix.momentum import MomentumPair
from longtail_mix.regions import LesionRegions
from longtail_mix.saliency import (
    BooleanMapSaliency,
    ClampToRange,
    GradCAM,
    MeanSaliency,
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
    mean_one_over_images,
    set_epoch,
)

__all__ = [
    "CMO",
    "LSM",
    "AlignFeatures",
    "AttentiveMix",
    "BalancedContrastiveLoss",
    "BalancedMixUp",
    "BalancedPairing",
    "BalancedSoftmaxLoss",
    "BooleanMapSaliency",
    "CAREAttentionLoss",
    "CARELoss",
    "ClampToRange",
    "ClassAttention",
    "ClassBalancedWeights",
    "ClassGroups",
    "ClassWeights",
    "ClassWiseHardExamples",
    "ConsistencyLoss",
    "CopyPaste",
    "CosineClassifier",
    "CutMix",
    "DeferredWeighting",
    "DistanceWeightedOutside",
    "EffectiveNumberWeights",
    "FMix",
    "FeatureQueue",
    "FidelityRatio",
    "FocalLoss",
    "GradCAM",
    "GridMix",
    "GuidedMixup",
    "HardExamples",
    "HeadTailPairing",
    "InBatch",
    "InverseFrequencyPairing",
    "KeepLabels",
    "LADELoss",
    "LDAMLoss",
    "LabelAwareSmoothingLoss",
    "LesionAwareRatio",
    "LesionRegions",
    "LogitAdjustmentLoss",
    "MeanSaliency",
    "MergedSaliency",
    "Mix",
    "MixCollate",
    "MixInside",
    "MixRecord",
    "MixUp",
    "MixedTarget",
    "MomentumPair",
    "OneOf",
    "OtherSkin",
    "PaCoLoss",
    "Pace",
    "Pairs",
    "PaperRatio",
    "PatchMixup",
    "PuzzleMix",
    "RandomPairing",
    "ReleasedRatio",
    "Remix",
    "ResizeMix",
    "SPMix",
    "SaliencyMap",
    "SaliencyMix",
    "Scheduled",
    "SegmentationSaliency",
    "SelfPaced",
    "ShadesOfGray",
    "ShiftedPairing",
    "SkinContrastSaliency",
    "SkinSwap",
    "SmoothMix",
    "SnapMix",
    "SoftTargetMix",
    "Sometimes",
    "SpectralResidualSaliency",
    "SupervisedContrastiveLoss",
    "TokenMix",
    "UniMix",
    "WeightedCrossEntropy",
    "__version__",
    "functional",
    "many_medium_few",
    "many_medium_few_by_count",
    "mean_one_over_classes",
    "mean_one_over_images",
    "set_epoch",
]

if TYPE_CHECKING:
    from longtail_mix import data as data
    from longtail_mix import metrics as metrics
    from longtail_mix import sampling as sampling
    from longtail_mix import visualize as visualize

_LAZY = ("data", "metrics", "preview", "sampling", "visualize")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return import_module(f"longtail_mix.{name}")
    raise AttributeError(f"module 'longtail_mix' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
