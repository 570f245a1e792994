"""Mixes in the middle of a network, of features and of tokens, and labels by where it looks."""

from longtail_mix.mixing.inside.align import AlignFeatures, align_features
from longtail_mix.mixing.inside.mix_inside import MixInside
from longtail_mix.mixing.inside.trans_mix import ClassAttention, transmix

__all__ = ["AlignFeatures", "ClassAttention", "MixInside", "align_features", "transmix"]
