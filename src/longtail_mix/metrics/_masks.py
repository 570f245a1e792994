"""What the measures against lesion masks share: the check of a mask."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_has_pixels, check_same_device, check_tensor


def check_mask(mask: Tensor, like: Tensor, name: str, like_name: str) -> None:
    """Masks [B,1,H,W] bool, one for each of `like`, on its device."""
    check_tensor(mask, name)
    if mask.dtype != torch.bool:
        raise TypeError(f"{name}: expected a bool mask, got {mask.dtype}")
    if mask.ndim != 4 or mask.shape[1] != 1 or len(mask) != len(like):
        raise ValueError(f"{name}: expected [{len(like)}, 1, H, W] like {like_name}, got shape {list(mask.shape)}")
    check_has_pixels(mask, name)
    check_same_device(like, mask, like_name, name)
