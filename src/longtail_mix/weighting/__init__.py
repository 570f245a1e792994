"""Weighting: how much each image counts, by its class, by its loss, and from which epoch on."""

from longtail_mix.schedule import EpochSchedule, set_epoch
from longtail_mix.weighting.class_weights import (
    ClassBalancedWeights,
    ClassWeights,
    EffectiveNumberWeights,
    class_balanced_weights,
    effective_number_weights,
    mean_one_over_classes,
    mean_one_over_images,
)
from longtail_mix.weighting.curricula import (
    ClassWiseHardExamples,
    HardExamples,
    SelfPaced,
    class_wise_hard_examples,
    hard_examples,
    self_paced,
)
from longtail_mix.weighting.deferred import DeferredWeighting
from longtail_mix.weighting.pace import Pace

__all__ = [
    "ClassBalancedWeights",
    "ClassWeights",
    "ClassWiseHardExamples",
    "DeferredWeighting",
    "EffectiveNumberWeights",
    "EpochSchedule",
    "HardExamples",
    "Pace",
    "SelfPaced",
    "class_balanced_weights",
    "class_wise_hard_examples",
    "effective_number_weights",
    "hard_examples",
    "mean_one_over_classes",
    "mean_one_over_images",
    "self_paced",
    "set_epoch",
]
