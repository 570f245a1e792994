"""Two batches mixed by a share for each patch, with its kernel; images as blocks."""

from longtail_mix.mixing.patch.blocks import from_blocks, to_blocks
from longtail_mix.mixing.patch.patch_mixup import PatchMixup, patch_mixup

__all__ = ["PatchMixup", "from_blocks", "patch_mixup", "to_blocks"]
