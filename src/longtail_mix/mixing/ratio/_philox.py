"""Random numbers that depend on a seed and a position alone: what a kernel draws, in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor

LANES = 1024
"""Pixels that share a block of counters; part of what the noise is, so it never changes."""

_LOW = 0xFFFFFFFF


def philox_uniform(seed: Tensor, size: int, pixels: int) -> Tensor:
    """Uniform numbers [size, pixels] in [0, 1), float32, multiples of 2^-24.

    Philox 4x32-10 (Salmon et al. 2011) with the seed as its key and (counter, image, 0, 0) as its input. Of every
    4096 pixels, the four outputs of counter c go to pixels c, c + 1024, c + 2048 and c + 3072.

    Args:
        seed: [1], int64, at least 0.
        size: number of images.
        pixels: numbers for each.
    """
    blocks = -(-pixels // (4 * LANES))
    one = torch.arange(blocks * LANES, device=seed.device).expand(size, -1)
    two = torch.arange(size, device=seed.device).unsqueeze(1).expand_as(one)
    three = four = torch.zeros_like(one)
    key, other_key = seed & _LOW, seed >> 32
    for _ in range(10):
        # Products of 32-bit numbers wrap in int64, but all 64 bits are there.
        by_one, by_three = one * 0xD2511F53, three * 0xCD9E8D57
        one, three = (by_three >> 32 & _LOW) ^ two ^ key, (by_one >> 32 & _LOW) ^ four ^ other_key
        two, four = by_three & _LOW, by_one & _LOW
        key, other_key = (key + 0x9E3779B9) & _LOW, (other_key + 0xBB67AE85) & _LOW
    bits = torch.stack([of.view(size, blocks, LANES) for of in (one, two, three, four)], 2)
    return (bits.flatten(1)[:, :pixels] >> 8).to(torch.float32) * 2.0**-24
