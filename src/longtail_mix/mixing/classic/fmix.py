"""FMix: two images mixed by a mask of random shape, with the area that was drawn."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import check_floating, check_positive, check_same_device, check_share, check_whole
from longtail_mix.mixing.draws import draw_lam
from longtail_mix.mixing.draws._top import top
from longtail_mix.mixing.mix import Mix, Pairs
from longtail_mix.mixing.record import MixRecord

__all__ = ["FMix", "fmix_mask"]


def fmix_mask(noise: Tensor, lam: Tensor, height: int, width: int, decay: float = 3.0) -> Tensor:
    """Low-frequency noise, and of it the highest pixels, as many as `lam` says: Harris et al. 2020.

    The same for one image, in plain PyTorch::

        frequency = (fftfreq(H).unsqueeze(1) ** 2 + rfftfreq(W) ** 2).sqrt().clamp(min=1 / max(H, W))
        grey = irfft2(torch.complex(noise[0], noise[1]) / frequency**decay, (H, W))
        mask = grey >= grey.flatten().sort(descending=True).values[round(lam * H * W) - 1]

    Args:
        noise: normal draws, real and imaginary part of each frequency, [B, 2, height, width // 2 + 1].
        lam: the share of pixels that are true [B], in [0, 1], rounded to whole pixels.
        height: of the mask, in pixels.
        width: of the mask, in pixels.
        decay: power by which high frequencies fall, above 0; 3 in the paper.

    Returns:
        [B, 1, height, width], bool.

    Raises:
        TypeError, ValueError: noise of another shape or dtype, `lam` or options out of range.

    Example:
        >>> mask = fmix_mask(torch.randn(1, 2, 8, 5), torch.tensor([0.25]), 8, 8)
        >>> mask.shape, mask.sum()
        (torch.Size([1, 1, 8, 8]), tensor(16))
    """
    check_whole(height, "height", 1)
    check_whole(width, "width", 1)
    check_positive(decay, "decay")
    check_floating(noise, "noise")
    check_share(lam, "lam")
    check_same_device(noise, lam, "noise", "lam")
    if noise.shape != (len(lam), 2, height, width // 2 + 1):
        raise ValueError(f"noise: expected {[len(lam), 2, height, width // 2 + 1]}, got {list(noise.shape)}")
    y = torch.fft.fftfreq(height, device=noise.device).unsqueeze(1)
    x = torch.fft.rfftfreq(width, device=noise.device)
    frequency = (y.square() + x.square()).sqrt().clamp(min=1 / max(height, width))
    noise = noise.to(torch.promote_types(noise.dtype, torch.float32))  # transforms know no half precision
    spectrum = torch.complex(noise[:, 0], noise[:, 1]) / frequency**decay
    grey = torch.fft.irfft2(spectrum, (height, width))
    count = (lam * (height * width)).round()
    return top(grey.flatten(1), count).view(-1, 1, height, width)


class FMix(Mix):
    """FMix with a mask and a share of its own for each pair, as a module: see :func:`fmix_mask`.

    Args:
        alpha: of the Beta distribution that the share of the first image comes from, above 0; 1 in the paper.
        decay: how smooth the shapes are, above 0; 3 in the paper.

    Shape:
        first [B, C, H, W], first_labels [B], second [B, C, H, W], second_labels [B] -> images [B, C, H, W],
        :class:`~longtail_mix.MixedTarget`, `lam` the share of the pixels.

    Example:
        >>> from longtail_mix import InBatch, RandomPairing
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> images, target = InBatch(FMix(), RandomPairing())(images, labels)
        >>> target.soft(3).shape
        torch.Size([4, 3])
    """

    def __init__(self, alpha: float = 1.0, decay: float = 3.0) -> None:
        super().__init__()
        check_positive(alpha, "alpha")
        check_positive(decay, "decay")
        self.alpha, self.decay = alpha, decay

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """A random shape."""
        batch, _, height, width = pairs.first.shape
        lam = draw_lam(pairs.first_labels, self.alpha, generator)
        noise = torch.empty((batch, 2, height, width // 2 + 1), device=lam.device).normal_(generator=generator)
        mask = fmix_mask(noise, lam, height, width, self.decay)
        return MixRecord(mask, mask.to(torch.float32).mean((1, 2, 3)))
