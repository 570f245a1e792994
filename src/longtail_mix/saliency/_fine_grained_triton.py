"""Triton kernels for fine-grained saliency: images to maps in five launches, equal to the reference on every bit.

Grey; both smoothings with the running sums of each row; the sums down each column; all six windows with their largest
values; the division by those. Each is bound by memory or by loads from the cache, and each needs more of its
neighbours than the one before has written, so none can join the next.

How the bits stay equal: up to the integral image everything is whole numbers, and float32 holds them exactly in any
order up to 2^24, an image of 65793 pixels. Above, float32 rounds and the order shows, so each column is then walked
from top to bottom, one addition after the other, as the reference does. Divisions are IEEE (``tl.div_rn``), and no
multiplication is fused with an addition (``enable_fp_fusion=False``).

Measurement that keeps it: none yet (`benchmarks/gpu.sh` makes it). Rule: deleted unless it is at least 1.2 times as
fast as ``torch.compile`` of the reference on a GPU.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_PIXELS = 1024  # a program, where pixels do not depend on each other
_SMOOTH_ROWS = 8  # rows a program smooths; it reads four more
_SUM_ROWS, _SUM_COLUMNS = 32, 32  # the tile that is summed down at once
_WINDOW_ROWS, _WINDOW_COLUMNS = 16, 256  # rows a program walks, so that the cache still holds what the next one needs
_EXACT = 2**24 // 255  # pixels whose sum float32 holds exactly
_ROUNDING = tl.constexpr(8388608.0)  # 2^23: float32 holds no fractions from here on


@triton.jit
def _byte(images, offset, inside, mean, std, IS_BYTE: tl.constexpr, NORMALISED: tl.constexpr):
    """One channel as whole numbers 0 to 255, and whether it is NaN or infinite, as 0 or 1."""
    value = tl.load(images + offset, mask=inside, other=0)
    if IS_BYTE:
        byte = value.to(tl.int32)
        return byte, byte * 0
    value = value.to(tl.float32)
    if NORMALISED:
        value = value * std + mean
    bad = tl.where(tl.abs(value) < float("inf"), 0, 1)
    unit = tl.minimum(tl.maximum(value, 0.0), 1.0)
    return ((unit * 255.0 + _ROUNDING) - _ROUNDING).to(tl.int32), bad  # half to even, as torch.round


@triton.jit
def _grey_kernel(
    images, grey, state, pixels, width, blocks, stride_b, stride_c, stride_y, stride_x,
    mean_r, mean_g, mean_b, std_r, std_g, std_b,
    IS_BYTE: tl.constexpr, NORMALISED: tl.constexpr, FLAT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Luma in 15-bit fixed point; notes in state[b, 2] whether an image holds NaN or an infinity."""
    image = (tl.program_id(0) // blocks).to(tl.int64)
    pixel = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < pixels
    if FLAT:
        offset = pixel.to(tl.int64) * stride_x
    else:
        y = pixel // width
        offset = y.to(tl.int64) * stride_y + (pixel - y * width).to(tl.int64) * stride_x
    start = images + image * stride_b
    red, bad_r = _byte(start, offset, inside, mean_r, std_r, IS_BYTE, NORMALISED)
    green, bad_g = _byte(start + stride_c, offset, inside, mean_g, std_g, IS_BYTE, NORMALISED)
    blue, bad_b = _byte(start + 2 * stride_c, offset, inside, mean_b, std_b, IS_BYTE, NORMALISED)
    luma = (red * 9798 + green * 19235 + blue * 3735 + 16384) >> 15
    tl.store(grey + image * pixels + pixel, luma.to(tl.uint8), mask=inside)
    if not IS_BYTE:
        bad = tl.where(inside, bad_r + bad_g + bad_b, 0)
        tl.atomic_max(state + image * 3 + 2, tl.max(bad, 0))


@triton.jit
def _reflect(at, size):
    """Positions from -2 to size + 1 mirrored into the image, without repeating its edge."""
    at = tl.abs(at)
    at = tl.abs(tl.where(at >= size, 2 * size - 2 - at, at))
    return tl.minimum(at, size - 1)


@triton.jit
def _smooth_kernel(grey, smooth, sums, height, width, bands, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    """Two 3x3 binomial filters, each rounded to 8 bits, and the running sums of each row.

    A program walks down a band of whole rows. Of each row it needs the horizontal sums at x - 1, x and x + 1; two
    rows later the first filter is known there, and two rows after that the second at x. The mirror image of a smoothed
    image is the smoothed mirror image, so only the reads are reflected.
    """
    image = (tl.program_id(0) // bands).to(tl.int64)
    first = (tl.program_id(0) % bands) * ROWS
    x = tl.arange(0, BLOCK)
    inside = x < width
    x0, x1, x3, x4 = _reflect(x - 2, width), _reflect(x - 1, width), _reflect(x + 1, width), _reflect(x + 2, width)
    start = image * height * width
    nothing = tl.zeros((BLOCK,), tl.int32)
    left1, left2, here1, here2, right1, right2, both1, both2 = (
        nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing,
    )  # fmt: skip
    for step in range(ROWS + 4):
        line = grey + start + _reflect(first - 2 + step, height).to(tl.int64) * width
        p0 = tl.load(line + x0, mask=inside, other=0).to(tl.int32)
        p1 = tl.load(line + x1, mask=inside, other=0).to(tl.int32)
        p2 = tl.load(line + x, mask=inside, other=0).to(tl.int32)
        p3 = tl.load(line + x3, mask=inside, other=0).to(tl.int32)
        p4 = tl.load(line + x4, mask=inside, other=0).to(tl.int32)
        left, here, right = p0 + 2 * p1 + p2, p1 + 2 * p2 + p3, p2 + 2 * p3 + p4
        once_left = (left2 + 2 * left1 + left + 8) >> 4
        once_here = (here2 + 2 * here1 + here + 8) >> 4
        once_right = (right2 + 2 * right1 + right + 8) >> 4
        both = once_left + 2 * once_here + once_right
        twice = (both2 + 2 * both1 + both + 8) >> 4
        row = first + step - 4
        to = start + row.to(tl.int64) * width + x
        stored = x < tl.where((step >= 4) & (row < height), width, 0)
        tl.store(smooth + to, twice.to(tl.uint8), mask=stored)
        tl.store(sums + to, tl.cumsum(twice, 0).to(tl.float32), mask=stored)
        left2, left1, here2, here1, right2, right1 = left1, left, here1, here, right1, right
        both2, both1 = both1, both


@triton.jit
def _column_kernel(sums, height, width, blocks, EXACT: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """From sums along rows to sums over all pixels above and left, in place."""
    image = (tl.program_id(0) // blocks).to(tl.int64)
    x = (tl.program_id(0) % blocks) * COLUMNS + tl.arange(0, COLUMNS)
    start = sums + image * height * width + x
    above = tl.zeros((COLUMNS,), tl.float32)
    if EXACT:
        for top in range(0, height, ROWS):
            y = top + tl.arange(0, ROWS)
            at = start[None, :] + y.to(tl.int64)[:, None] * width
            inside = (x < width)[None, :] & (y < height)[:, None]
            rows = tl.load(at, mask=inside, other=0)
            tl.store(at, above[None, :] + tl.cumsum(rows, 0), mask=inside)
            above += tl.sum(rows, 0)
    else:
        for _ in range(height):
            above += tl.load(start, mask=x < width, other=0)
            tl.store(start, above, mask=x < width)
            start += width


@triton.jit
def _one_window(on, off, sums, centre, y, x, height, width, N: tl.constexpr):
    """Add what the centre is above (on) and below (off) the mean of the rest of a window, each truncated."""
    top, bottom = tl.maximum(y - N + 1, 0), tl.minimum(y + N + 1, height)
    left, right = tl.maximum(x - N + 1, 0), tl.minimum(x + N + 1, width)
    inside = x < width
    has_top = x < tl.where(top > 0, width, 0)
    line_above, line_below = sums + (top - 1).to(tl.int64) * width - 1, sums + (bottom - 1).to(tl.int64) * width - 1
    bottom_right = tl.load(line_below + right, mask=inside, other=0)
    top_left = tl.load(line_above + left, mask=has_top & (left > 0), other=0)
    bottom_left = tl.load(line_below + left, mask=inside & (left > 0), other=0)
    top_right = tl.load(line_above + right, mask=has_top, other=0)
    around = ((bottom - top) * (right - left) - 1).to(tl.float32)
    surround = tl.div_rn(bottom_right + top_left - bottom_left - top_right - centre, tl.maximum(around, 1.0))
    excess = tl.where(around > 0, surround - centre, 0.0)  # a single pixel has no surroundings
    return on + tl.maximum(-excess, 0.0).to(tl.int32), off + tl.maximum(excess, 0.0).to(tl.int32)


@triton.jit
def _window_kernel(smooth, sums, found, state, height, width, bands, blocks, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """On and off summed over the six windows, packed as on + off * 2^16; their maxima into state[b, 0] and [b, 1]."""
    block = tl.program_id(0) % blocks
    band = (tl.program_id(0) // blocks) % bands
    image = (tl.program_id(0) // blocks // bands).to(tl.int64)
    x = block * COLUMNS + tl.arange(0, COLUMNS)
    start = image * height * width
    most_on = tl.zeros((COLUMNS,), tl.int32)
    most_off = tl.zeros((COLUMNS,), tl.int32)
    for step in range(tl.minimum(ROWS, height - band * ROWS)):
        y = band * ROWS + step
        at = start + y.to(tl.int64) * width + x
        centre = tl.load(smooth + at, mask=x < width, other=0).to(tl.float32)
        on = tl.zeros((COLUMNS,), tl.int32)
        off = tl.zeros((COLUMNS,), tl.int32)
        on, off = _one_window(on, off, sums + start, centre, y, x, height, width, 12)
        on, off = _one_window(on, off, sums + start, centre, y, x, height, width, 24)
        on, off = _one_window(on, off, sums + start, centre, y, x, height, width, 48)
        on, off = _one_window(on, off, sums + start, centre, y, x, height, width, 28)
        on, off = _one_window(on, off, sums + start, centre, y, x, height, width, 56)
        on, off = _one_window(on, off, sums + start, centre, y, x, height, width, 112)
        tl.store(found + at, on + (off << 16), mask=x < width)
        most_on, most_off = tl.maximum(most_on, on), tl.maximum(most_off, off)
    # The largest of whole numbers: whoever comes first, the result is the same.
    tl.atomic_max(state + image * 3, tl.max(most_on, 0))
    tl.atomic_max(state + image * 3 + 1, tl.max(most_off, 0))


@triton.jit
def _scale_kernel(found, state, maps, pixels, blocks, BLOCK: tl.constexpr):
    """Each of on and off to a maximum of 255, added modulo 256; NaN where the image held NaN or an infinity."""
    image = (tl.program_id(0) // blocks).to(tl.int64)
    pixel = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < pixels
    most_on = tl.maximum(tl.load(state + image * 3), 1).to(tl.float32)
    most_off = tl.maximum(tl.load(state + image * 3 + 1), 1).to(tl.float32)
    value = tl.load(found + image * pixels + pixel, mask=inside, other=0)
    on = (tl.div_rn((value & 65535).to(tl.float32), most_on) * 255.0).to(tl.int32)
    off = (tl.div_rn((value >> 16).to(tl.float32), most_off) * 255.0).to(tl.int32)
    total = ((on + off) & 255).to(tl.float32) * (1 / 255)
    nan = tl.where(tl.load(state + image * 3 + 2) > 0, float("nan"), 0.0)
    tl.store(maps + image * pixels + pixel, total + nan, mask=inside)


def maps_of(images: Tensor, mean: list[float] | None, std: list[float] | None) -> Tensor:
    """Maps [B, 1, H, W] of images [B, 3, H, W] with any strides: see :func:`longtail_mix.saliency.saliency_map`."""
    size, _, height, width = images.shape
    device = images.device
    maps = torch.empty((size, 1, height, width), dtype=torch.float32, device=device)
    if not size:
        return maps
    pixels = height * width
    grey = torch.empty((size, height, width), dtype=torch.uint8, device=device)
    smooth = torch.empty_like(grey)
    sums = torch.empty_like(grey, dtype=torch.float32)
    found = torch.empty_like(grey, dtype=torch.int32)
    state = torch.zeros((size, 3), dtype=torch.int32, device=device)  # largest on, largest off, whether NaN
    blocks, columns = triton.cdiv(pixels, _PIXELS), min(_WINDOW_COLUMNS, triton.next_power_of_2(width))
    bands, across = triton.cdiv(height, _WINDOW_ROWS), triton.cdiv(width, columns)
    row = triton.next_power_of_2(width)
    with torch.cuda.device_of(images):
        _grey_kernel[(size * blocks,)](
            images, grey, state, pixels, width, blocks, *images.stride(), *(mean or [0.0] * 3), *(std or [1.0] * 3),
            images.dtype == torch.uint8, mean is not None, images.stride(2) == width * images.stride(3), _PIXELS,
            num_warps=4, enable_fp_fusion=False,
        )  # fmt: skip
        _smooth_kernel[(size * triton.cdiv(height, _SMOOTH_ROWS),)](
            grey, smooth, sums, height, width, triton.cdiv(height, _SMOOTH_ROWS), _SMOOTH_ROWS, row,
            num_warps=min(max(row // 128, 1), 16), enable_fp_fusion=False,
        )  # fmt: skip
        _column_kernel[(size * triton.cdiv(width, _SUM_COLUMNS),)](
            sums, height, width, triton.cdiv(width, _SUM_COLUMNS), pixels <= _EXACT, _SUM_ROWS, _SUM_COLUMNS,
            num_warps=4 if pixels <= _EXACT else 1, enable_fp_fusion=False,
        )  # fmt: skip
        _window_kernel[(size * bands * across,)](
            smooth, sums, found, state, height, width, bands, across, _WINDOW_ROWS, columns,
            num_warps=max(columns // 64, 1), enable_fp_fusion=False,
        )  # fmt: skip
        _scale_kernel[(size * blocks,)](
            found, state, maps, pixels, blocks, _PIXELS, num_warps=4, enable_fp_fusion=False
        )  # fmt: skip
    return maps
