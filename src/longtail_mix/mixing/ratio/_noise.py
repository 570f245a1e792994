"""Noise for maps from one number of the generator: each value follows from that number and the place of its pixel.

SplitMix64 (Steele, Lea, Flood 2014): a mixing function of ``n * GAMMA``, n counting from the number of the generator
on. So all pixels are made at once, in some ten passes over a quarter of their number, where a draw for each from the
generator takes most of the time of a ratio on a CPU. Each output of 64 bits is noise for four pixels, of 16 bits each:
65,536 levels.
"""

from __future__ import annotations

import torch
from torch import Tensor

GAMMA = 0x9E3779B97F4A7C15 - 2**64  # as signed numbers, whose products and sums wrap alike
_FIRST = 0xBF58476D1CE4E5B9 - 2**64
_SECOND = 0x94D049BB133111EB - 2**64
_LEVELS = 2.0**-15


def splitmix64(start: Tensor, count: int) -> Tensor:
    """`count` outputs from each number of int64 `start` [...] on: [..., count], int64."""
    # Added before it is multiplied: the compiler cannot fold a product of positions with so large a number.
    state = start.unsqueeze(-1) + torch.arange(count, device=start.device)
    state *= GAMMA
    shifted = torch.empty_like(state)
    for by, factor in ((30, _FIRST), (27, _SECOND), (31, None)):
        # A right shift of signed numbers brings in the sign: the mask takes it away.
        state ^= torch.bitwise_right_shift(state, by, out=shifted).bitwise_and_(2 ** (64 - by) - 1)
        if factor is not None:
            state *= factor
    return state


def starts_of(seed: Tensor, size: int, pixels: int) -> Tensor:
    """Where the outputs of each of `size` images begin, for :func:`signed_noise`: [size], int64."""
    return seed + torch.arange(size, device=seed.device) * -(-pixels // 4)


def signed_noise(starts: Tensor, pixels: int) -> Tensor:
    """Uniform whole numbers from -2^15 to 2^15 - 1, int16 [size, pixels]; divided by 2^15, noise in [-1, 1)."""
    return splitmix64(starts, -(-pixels // 4)).view(torch.int16)[:, :pixels]


def add_noise(maps: Tensor, noise: float, starts: Tensor, out: Tensor | None = None) -> Tensor:
    """Maps [B, 1, H, W] and uniform noise of half width `noise`: float32 at least, in `out` or in a new tensor."""
    drawn = signed_noise(starts, maps[0].numel() if len(maps) else 0).view(maps.shape)
    dtype = torch.promote_types(maps.dtype, torch.float32)
    levels = drawn.to(dtype) if out is None else out.copy_(drawn)
    return torch.add(maps.to(dtype), levels, alpha=noise * _LEVELS, out=out)
