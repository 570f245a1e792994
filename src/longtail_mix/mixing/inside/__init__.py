"""Mixes in the middle of a network: of features and of tokens."""

from longtail_mix.mixing.inside.mix_inside import MixInside

__all__ = ["MixInside"]
