"""What turns a mix into another one: inside a batch, now and then, in a data loader."""

from longtail_mix.mixing.composition.collate import MixCollate
from longtail_mix.mixing.composition.in_batch import InBatch
from longtail_mix.mixing.composition.one_of import (
    OneOf,
)
from longtail_mix.mixing.composition.scheduled import (
    Scheduled,
)
from longtail_mix.mixing.composition.soft_target_mix import SoftTargetMix
from longtail_mix.mixing.composition.sometimes import Sometimes

__all__ = [
    "InBatch",
    "MixCollate",
    "OneOf",
    "Scheduled",
    "SoftTargetMix",
    "Sometimes",
]
