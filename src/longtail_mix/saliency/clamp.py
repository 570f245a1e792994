"""Images brought back into their range before a detector looks at them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from longtail_mix._checks import check_normalisation
from longtail_mix._images import check_normalised
from longtail_mix._module import Module

__all__ = ["ClampToRange", "clamp_to_range"]


def clamp_to_range(images: Tensor, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> Tensor:
    """``images`` with every value between black and white: 0 and 1, or where `mean` and `std` have put them.

    The same in plain PyTorch, for one channel: ``channel.clamp((0 - mean) / std, (1 - mean) / std)``.

    Args:
        images: [B, 3, H, W], floating point, in [0, 1] or normalised but for some pixels; or uint8, which come back as
            they are.
        mean: per-channel mean the images were normalised with, or None.
        std: per-channel standard deviation, or None.

    Returns:
        [B, 3, H, W] in the dtype of `images`; NaN stays NaN.

    Raises:
        TypeError, ValueError: images or numbers of another kind.

    Example:
        >>> clamp_to_range(torch.tensor([-0.5, 0.5, 3.0]).view(1, 3, 1, 1)).flatten()
        tensor([0.0000, 0.5000, 1.0000])
    """
    mean, std = check_normalised(images, mean, std)
    if images.dtype == torch.uint8:
        return images
    if mean is None or std is None:
        return images.clamp(0, 1)
    return torch.stack(
        [channel.clamp((0 - m) / s, (1 - m) / s) for channel, m, s in zip(images.unbind(1), mean, std, strict=True)], 1
    )


class ClampToRange(Module):
    """:func:`clamp_to_range` as a module, to stand before a detector: ``nn.Sequential(ClampToRange(...), detector)``.

    Detectors refuse images far outside their range, because that is nearly always a forgotten `mean` and `std`.
    Random erasing with noise and strong jitter leave the range on purpose. A module in front says so once, for any
    detector, and the mix still blends the images as they are; an option would have to be in every detector and mix.

    Args:
        mean: per-channel mean the images are normalised with, or None.
        std: per-channel standard deviation, or None.

    Shape:
        images [B, 3, H, W] -> [B, 3, H, W].

    Example:
        >>> from torch import nn
        >>> from longtail_mix import SaliencyMap, SPMix
        >>> mean, std = [0.5] * 3, [0.2] * 3
        >>> spmix = SPMix([90, 10], saliency=nn.Sequential(ClampToRange(mean, std), SaliencyMap(mean, std)))
        >>> images, labels = spmix(torch.randn(4, 3, 32, 32) * 9, torch.tensor([0, 0, 0, 1]))
    """

    def __init__(self, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> None:
        super().__init__()
        self.mean, self.std = check_normalisation(mean, std)

    def forward(self, images: Tensor) -> Tensor:
        """Clamp."""
        return clamp_to_range(images, self.mean, self.std)

    def extra_repr(self) -> str:
        """Show the normalisation."""
        return f"mean={self.mean}, std={self.std}"
