"""Mixes of two images that look at neither of them."""

from longtail_mix.mixing.classic.cutmix import CutMix, cutmix
from longtail_mix.mixing.classic.mixup import MixUp, mixup

__all__ = ["CutMix", "MixUp", "cutmix", "mixup"]
