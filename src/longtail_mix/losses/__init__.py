"""Losses: from logits and labels, hard, soft or mixed, to a number."""

from longtail_mix.losses.cosine_classifier import CosineClassifier
from longtail_mix.losses.focal import FocalLoss, focal_loss
from longtail_mix.losses.ldam import LDAMLoss, ldam_loss
from longtail_mix.losses.weighted_cross_entropy import WeightedCrossEntropy, weighted_cross_entropy

__all__ = [
    "CosineClassifier",
    "FocalLoss",
    "LDAMLoss",
    "WeightedCrossEntropy",
    "focal_loss",
    "ldam_loss",
    "weighted_cross_entropy",
]
