"""Mixes that know how frequent the classes are."""

from longtail_mix.mixing.class_aware.balanced_mixup import (
    BalancedMixUp,
    draw_small_share,
)
from longtail_mix.mixing.class_aware.cmo import CMO
from longtail_mix.mixing.class_aware.remix import Remix, remix
from longtail_mix.mixing.class_aware.unimix import (
    UniMix,
    unimix_share,
)

__all__ = [
    "CMO",
    "BalancedMixUp",
    "Remix",
    "UniMix",
    "draw_small_share",
    "remix",
    "unimix_share",
]
