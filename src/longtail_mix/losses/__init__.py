"""Losses, one per file: for the classes, from logits and labels, hard, soft or mixed; and for the attention."""

from longtail_mix.losses.balanced_contrastive import BalancedContrastiveLoss, balanced_contrastive_loss
from longtail_mix.losses.balanced_softmax import BalancedSoftmaxLoss, balanced_softmax_loss
from longtail_mix.losses.care import CARELoss, care_loss
from longtail_mix.losses.care_attention import CAREAttentionLoss, care_attention_loss
from longtail_mix.losses.consistency import ConsistencyLoss, consistency_loss
from longtail_mix.losses.cosine_classifier import CosineClassifier
from longtail_mix.losses.focal import FocalLoss, focal_loss
from longtail_mix.losses.label_aware_smoothing import (
    LabelAwareSmoothingLoss,
    concave,
    convex,
    label_aware_smoothing_loss,
    linear,
)
from longtail_mix.losses.lade import LADELoss, lade_loss
from longtail_mix.losses.ldam import LDAMLoss, ldam_loss
from longtail_mix.losses.logit_adjustment import LogitAdjustmentLoss, logit_adjustment_loss
from longtail_mix.losses.outside import DistanceWeightedOutside, distance_weighted_outside
from longtail_mix.losses.paco import PaCoLoss, paco_loss
from longtail_mix.losses.supervised_contrastive import SupervisedContrastiveLoss, supervised_contrastive_loss
from longtail_mix.losses.weighted_cross_entropy import WeightedCrossEntropy, weighted_cross_entropy

__all__ = [
    "BalancedContrastiveLoss",
    "BalancedSoftmaxLoss",
    "CAREAttentionLoss",
    "CARELoss",
    "ConsistencyLoss",
    "CosineClassifier",
    "DistanceWeightedOutside",
    "FocalLoss",
    "LADELoss",
    "LDAMLoss",
    "LabelAwareSmoothingLoss",
    "LogitAdjustmentLoss",
    "PaCoLoss",
    "SupervisedContrastiveLoss",
    "WeightedCrossEntropy",
    "balanced_contrastive_loss",
    "balanced_softmax_loss",
    "care_attention_loss",
    "care_loss",
    "concave",
    "consistency_loss",
    "convex",
    "distance_weighted_outside",
    "focal_loss",
    "label_aware_smoothing_loss",
    "lade_loss",
    "ldam_loss",
    "linear",
    "logit_adjustment_loss",
    "paco_loss",
    "supervised_contrastive_loss",
    "weighted_cross_entropy",
]
