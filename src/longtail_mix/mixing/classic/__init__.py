"""Mixes of two images that look at neither of them."""

from longtail_mix.mixing.classic.cutmix import CutMix, cutmix
from longtail_mix.mixing.classic.fmix import (
    FMix,
    fmix_mask,
)
from longtail_mix.mixing.classic.grid_mix import (
    GridMix,
)
from longtail_mix.mixing.classic.mixup import MixUp, mixup
from longtail_mix.mixing.classic.resize_mix import (
    ResizeMix,
)
from longtail_mix.mixing.classic.smooth_mix import (
    SmoothMix,
    smooth_mask,
)

__all__ = [
    "CutMix",
    "FMix",
    "GridMix",
    "MixUp",
    "ResizeMix",
    "SmoothMix",
    "cutmix",
    "fmix_mask",
    "mixup",
    "smooth_mask",
]
