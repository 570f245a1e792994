"""Triton kernels for the lesion-aware ratio: merge, noise, min-max, cut and patch mean, reading each map once.

Two launches, because every pixel needs the extremes of its whole image: the first merges, adds noise and notes the
extremes of each block; the second stretches, cuts and averages. Noise is made where it is used, from one seed and the
position of the pixel: see `_ratio_op.py`, which says what is reproducible.

Measurement that keeps it: none yet (`benchmarks/gpu.sh` makes it). Rule: deleted unless it is at least 1.2 times as
fast as ``torch.compile`` of the reference on a GPU.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from longtail_mix.mixing.ratio._philox import LANES

_TILE = 2048  # pixels a program of the second launch holds at once


@triton.jit
def _noisy(tail, head, at, inside, bits, NOISE: tl.constexpr, MERGE: tl.constexpr, FLOAT: tl.constexpr):
    """The merged map without and with noise."""
    clean = tl.load(tail + at, mask=inside, other=0).to(FLOAT)
    if MERGE:
        other = tl.load(head + at, mask=inside, other=0).to(FLOAT)
        clean = tl.where((clean > other) | (clean != clean), clean, other)  # NaN of either stays, as in torch.maximum
    draw = (bits >> 8).to(tl.float32) * 5.9604644775390625e-08  # 24 bits: a multiple of 2^-24 in [0, 1)
    return clean, clean + tl.full((), NOISE, FLOAT) * (2.0 * draw - 1.0).to(FLOAT)


@triton.jit
def _extremes(low, high, value, inside):
    return (
        tl.minimum(low, tl.min(tl.where(inside, value, float("inf")), 0)),
        tl.maximum(high, tl.max(tl.where(inside, value, float("-inf")), 0)),
    )


@triton.jit
def _noise_kernel(
    tail, head, seed, noisy, extremes, pixels, blocks,
    NOISE: tl.constexpr, MERGE: tl.constexpr, FLOAT: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Four runs of LANES pixels; extremes[b, block] = clean low and high, noisy low and high, whether NaN."""
    image = tl.program_id(0) // blocks
    block = tl.program_id(0) % blocks
    lane = tl.arange(0, LANES)
    counter = block * LANES + lane
    nothing = counter * 0
    bits0, bits1, bits2, bits3 = tl.philox(tl.load(seed), counter, nothing + image, nothing, nothing)
    start = image.to(tl.int64) * pixels
    clean_low = tl.full((), float("inf"), FLOAT)
    clean_high = tl.full((), float("-inf"), FLOAT)
    noisy_low = tl.full((), float("inf"), FLOAT)
    noisy_high = tl.full((), float("-inf"), FLOAT)
    strange = tl.full((), 0, tl.int32)
    for quarter in tl.static_range(4):
        if quarter == 0:
            bits = bits0
        elif quarter == 1:
            bits = bits1
        elif quarter == 2:
            bits = bits2
        else:
            bits = bits3
        pixel = block * (4 * LANES) + quarter * LANES + lane
        inside = pixel < pixels
        clean, with_noise = _noisy(tail, head, start + pixel, inside, bits, NOISE, MERGE, FLOAT)
        tl.store(noisy + start + pixel, with_noise, mask=inside)
        clean_low, clean_high = _extremes(clean_low, clean_high, clean, inside)
        noisy_low, noisy_high = _extremes(noisy_low, noisy_high, with_noise, inside)
        strange = tl.maximum(strange, tl.max(tl.where(inside & (clean != clean), 1, 0), 0))
    to = extremes + (image.to(tl.int64) * blocks + block) * 5
    tl.store(to, clean_low)
    tl.store(to + 1, clean_high)
    tl.store(to + 2, noisy_low)
    tl.store(to + 3, noisy_high)
    tl.store(to + 4, strange.to(FLOAT))


@triton.jit
def _patch_kernel(
    noisy, extremes, ratio, blocks, cell_groups,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, PATCH: tl.constexpr, ALPHA: tl.constexpr, FLOAT: tl.constexpr,
    BLOCKS: tl.constexpr, CELLS: tl.constexpr, INNER: tl.constexpr,
):  # fmt: skip
    """Stretch to [0, 1] by the extremes of the image, cut at alpha, mean of each patch."""
    image = (tl.program_id(0) // cell_groups).to(tl.int64)
    cell = (tl.program_id(0) % cell_groups) * CELLS + tl.arange(0, CELLS)
    in_grid = cell < ROWS * COLUMNS
    block = tl.arange(0, BLOCKS)
    noted = extremes + (image * blocks + block) * 5
    known = block < blocks
    clean_low = tl.min(tl.load(noted, mask=known, other=float("inf")), 0)
    clean_high = tl.max(tl.load(noted + 1, mask=known, other=float("-inf")), 0)
    noisy_low = tl.min(tl.load(noted + 2, mask=known, other=float("inf")), 0)
    noisy_high = tl.max(tl.load(noted + 3, mask=known, other=float("-inf")), 0)
    strange = tl.max(tl.load(noted + 4, mask=known, other=0), 0)
    # A map without contrast gets no noise, and a flat map becomes 1.
    has_contrast = clean_high > clean_low
    low = tl.where(has_contrast, noisy_low, clean_low)
    extent = tl.where(has_contrast, noisy_high, clean_high) - low
    alpha = tl.full((), ALPHA, FLOAT)

    width: tl.constexpr = COLUMNS * PATCH
    start = image * (ROWS * PATCH * width) + (cell // COLUMNS) * (PATCH * width) + (cell % COLUMNS) * PATCH
    total = tl.zeros((CELLS, INNER), FLOAT)
    for first in range(0, PATCH * PATCH, INNER):
        inner = first + tl.arange(0, INNER)
        at = start[:, None] + ((inner // PATCH) * width + inner % PATCH)[None, :]
        inside = in_grid[:, None] & (inner < PATCH * PATCH)[None, :]
        value = tl.load(noisy + at, mask=inside, other=0)
        value = tl.where(extent == 0, 1.0, (value - low) / tl.where(extent == 0, 1.0, extent))
        total += tl.where(inside, tl.where(value > alpha, alpha, value), 0.0)  # a comparison lets NaN through
    mean = tl.sum(total, 1) / (PATCH * PATCH)
    mean = tl.where(mean > alpha, alpha, mean) + tl.where(strange > 0, float("nan"), 0.0)
    tl.store(ratio + image * (ROWS * COLUMNS) + cell, mean.to(ratio.dtype.element_ty), mask=in_grid)


def ratio_of(tail: Tensor, head: Tensor | None, seed: Tensor, patch_size: int, alpha: float, noise: float) -> Tensor:
    """Ratios [B, 1, H / p, W / p]: see :func:`longtail_mix.mixing.ratio._ratio_op.noisy_ratio`."""
    size, _, height, width = tail.shape
    rows, columns = height // patch_size, width // patch_size
    ratio = torch.empty((size, 1, rows, columns), dtype=tail.dtype, device=tail.device)
    if not size:
        return ratio
    tail = tail.contiguous()
    pixels = height * width
    dtype = torch.promote_types(tail.dtype, torch.float32)
    float_type = tl.float64 if dtype == torch.float64 else tl.float32
    blocks = triton.cdiv(pixels, 4 * LANES)
    noisy = torch.empty((size, pixels), dtype=dtype, device=tail.device)
    extremes = torch.empty((size, blocks, 5), dtype=dtype, device=tail.device)
    inner = min(triton.next_power_of_2(patch_size**2), _TILE)
    cells = min(triton.next_power_of_2(rows * columns), max(_TILE // 2 // inner, 1))
    cell_groups = triton.cdiv(rows * columns, cells)
    with torch.cuda.device_of(tail):
        _noise_kernel[(size * blocks,)](
            tail, tail if head is None else head.contiguous(), seed, noisy, extremes, pixels, blocks,
            noise, head is not None, float_type, LANES, num_warps=4, enable_fp_fusion=True,
        )  # fmt: skip
        _patch_kernel[(size * cell_groups,)](
            noisy, extremes, ratio, blocks, cell_groups,
            rows, columns, patch_size, alpha, float_type, triton.next_power_of_2(blocks), cells, inner,
            num_warps=4, enable_fp_fusion=True,
        )  # fmt: skip
    return ratio
