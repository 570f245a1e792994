"""Losses, one per file: for the classes, from logits and labels, hard, soft or mixed; and for the attention."""

from longtail_mix.losses.care import CARELoss, care_loss
from longtail_mix.losses.care_attention import CAREAttentionLoss, care_attention_loss
from longtail_mix.losses.cosine_classifier import CosineClassifier
from longtail_mix.losses.focal import FocalLoss, focal_loss
from longtail_mix.losses.ldam import LDAMLoss, ldam_loss
from longtail_mix.losses.outside import DistanceWeightedOutside, distance_weighted_outside
from longtail_mix.losses.weighted_cross_entropy import WeightedCrossEntropy, weighted_cross_entropy

__all__ = [
    "CAREAttentionLoss",
    "CARELoss",
    "CosineClassifier",
    "DistanceWeightedOutside",
    "FocalLoss",
    "LDAMLoss",
    "WeightedCrossEntropy",
    "care_attention_loss",
    "care_loss",
    "distance_weighted_outside",
    "focal_loss",
    "ldam_loss",
    "weighted_cross_entropy",
]
