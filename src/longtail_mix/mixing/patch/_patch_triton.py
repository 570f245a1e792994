"""Triton kernels for patch mixup: forward, and all gradients in one launch.

``out[m] = r * tail[i[m]] + (1 - r) * head[j[m]]``: the members of a pair are picked inside, so no batch of partners is
ever copied. Everything is computed in float32 (float64 for float64); the ratio keeps its own precision, where the
reference first rounds it to the dtype of the images. An index outside the batch reads nothing and gives NaN.

Measurement that keeps it: none yet (`benchmarks/gpu.sh` makes it). Rule: deleted unless it is at least 1.2 times as
fast as ``torch.compile`` of the reference on a GPU.

Three layouts, two cases: images and feature maps [C, H, W]; the same in channels_last, [H, W, C]; and tokens
[N, D], which are [H, W, C] with one pixel a patch and prefix tokens in front. Sizes are compile-time constants, so
that divisions become multiplications; another image size compiles anew, another batch size does not.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from longtail_mix.mixing.patch._patch_reference import empty_like

_TILE = 2048  # elements a program: four warps with 64 bytes of float32 a thread in flight
_BYTE_ROUNDING = tl.constexpr(8388608.0)  # 2^23: float32 holds no fractions from here on


@triton.jit
def _cell_of(pixel, prefix, COLUMNS: tl.constexpr, PATCH_H: tl.constexpr, PATCH_W: tl.constexpr):
    """Which ratio belongs to a pixel; negative for a prefix token."""
    if PATCH_H == 1 and PATCH_W == 1:
        return pixel - prefix
    width: tl.constexpr = COLUMNS * PATCH_W
    y = pixel // width
    return (y // PATCH_H) * COLUMNS + (pixel - y * width) // PATCH_W


@triton.jit
def _member(index, pair, size, sample, GATHER: tl.constexpr):
    """Where in its batch the member of a pair is, and how many of its elements may be read: all, or none outside."""
    member = pair
    if GATHER:
        member = tl.load(index + pair).to(tl.int64)
    return member, tl.where((member >= 0) & (member < size), sample, 0)


@triton.jit
def _mix_kernel(
    tail, head, ratio, out, tail_index, head_index, tails, heads, sample, blocks, prefix,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, PATCH_H: tl.constexpr, PATCH_W: tl.constexpr, CHANNELS: tl.constexpr,
    CHANNELS_INSIDE: tl.constexpr, GATHER_TAIL: tl.constexpr, GATHER_HEAD: tl.constexpr, BYTES: tl.constexpr,
    FLOAT: tl.constexpr, WIDE: tl.constexpr, GROUPS: tl.constexpr, RUN: tl.constexpr,
):  # fmt: skip
    """A block of one pair, element after element in memory; each run of RUN elements lies in one patch."""
    pair = (tl.program_id(0) // blocks).to(tl.int64)
    block = tl.program_id(0) % blocks
    if WIDE:
        block = block.to(tl.int64)
    first = block * (GROUPS * RUN) + tl.arange(0, GROUPS) * RUN
    pixel = first // CHANNELS if CHANNELS_INSIDE else first % (ROWS * PATCH_H * COLUMNS * PATCH_W)
    cell = _cell_of(pixel, prefix, COLUMNS, PATCH_H, PATCH_W)
    inside = first < sample
    r = tl.load(ratio + pair * (ROWS * COLUMNS) + cell, mask=inside & (cell >= 0), other=1).to(FLOAT)
    offset = first
    if RUN > 1:
        r = r[:, None]
        offset = first[:, None] + tl.arange(0, RUN)[None, :]
        inside = offset < sample

    i, readable_tail = _member(tail_index, pair, tails, sample, GATHER_TAIL)
    j, readable_head = _member(head_index, pair, heads, sample, GATHER_HEAD)
    nothing: tl.constexpr = 0.0 if BYTES else float("nan")
    t = tl.load(tail + i * sample + offset, mask=offset < readable_tail, other=nothing).to(FLOAT)
    h = tl.load(head + j * sample + offset, mask=offset < readable_head, other=nothing).to(FLOAT)
    # As torch.lerp: exact at both ends, and never outside of them.
    mixed = tl.where(r < 0.5, h + r * (t - h), t - (t - h) * (1 - r))
    if BYTES:
        mixed = (mixed + _BYTE_ROUNDING) - _BYTE_ROUNDING  # half to even, as torch.round
    tl.store(out + pair * sample + offset, mixed.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _gradient_kernel(
    grad, tail, head, ratio, of_tail, of_head, of_ratio,
    tail_order, tail_starts, head_order, head_starts, head_index,
    tails, heads, sample, slot_groups, chunks, prefix,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, PATCH_H: tl.constexpr, PATCH_W: tl.constexpr, CHANNELS: tl.constexpr,
    CHANNELS_INSIDE: tl.constexpr, GATHER_TAIL: tl.constexpr, GATHER_HEAD: tl.constexpr,
    WANT_TAIL: tl.constexpr, WANT_HEAD: tl.constexpr, WANT_RATIO: tl.constexpr,
    FLOAT: tl.constexpr, WIDE: tl.constexpr, SLOTS: tl.constexpr, INNER: tl.constexpr,
):  # fmt: skip
    """A few patches of one image, all gradients: one program per image, group of patches, chunk of their elements.

    Image s collects from every pair it is in, in the order of the pairs: nothing is added atomically, the result
    is the same every time, and an image in no pair gets zeros. Patches are counted with the prefix tokens in front.
    """
    chunk = tl.program_id(0) % chunks
    slot_group = (tl.program_id(0) // chunks) % slot_groups
    image = (tl.program_id(0) // chunks // slot_groups).to(tl.int64)
    if WIDE:
        slot_group = slot_group.to(tl.int64)
        chunk = chunk.to(tl.int64)
    cells: tl.constexpr = ROWS * COLUMNS
    width: tl.constexpr = COLUMNS * PATCH_W
    slot = slot_group * SLOTS + tl.arange(0, SLOTS)
    inner = chunk * INNER + tl.arange(0, INNER)
    start = slot  # first pixel of the patch
    if PATCH_H > 1 or PATCH_W > 1:
        start = (slot // COLUMNS) * (PATCH_H * width) + (slot % COLUMNS) * PATCH_W
    if CHANNELS_INSIDE:
        line: tl.constexpr = PATCH_W * CHANNELS  # elements of a patch that are neighbours in memory
        within = (inner // line) * (width * CHANNELS) + inner % line
        offset = start[:, None] * CHANNELS + within[None, :]
    else:
        area: tl.constexpr = PATCH_H * PATCH_W
        plane: tl.constexpr = cells * area
        # Each remainder straight from `inner`: then the compiler sees the runs of PATCH_W and makes vectors of them.
        within = (inner // area) * plane + ((inner // PATCH_W) % PATCH_H) * width + inner % PATCH_W
        offset = start[:, None] + within[None, :]
    cell = slot - prefix
    in_grid = cell < cells
    inside = in_grid[:, None] & (inner < CHANNELS * PATCH_H * PATCH_W)[None, :]
    has_ratio = in_grid & (cell >= 0)

    if (WANT_TAIL or WANT_RATIO or not (GATHER_TAIL or GATHER_HEAD)) and image < tails:
        first = image
        last = image + 1
        if GATHER_TAIL:
            first = tl.load(tail_starts + image)
            last = tl.load(tail_starts + image + 1)
        if WANT_RATIO:
            t = tl.load(tail + image * sample + offset, mask=inside, other=0).to(FLOAT)
        total = tl.zeros((SLOTS, INNER), FLOAT)
        for place in range(first, last):
            pair = place
            if GATHER_TAIL:
                pair = tl.load(tail_order + place)
            g = tl.load(grad + pair * sample + offset, mask=inside, other=0).to(FLOAT)
            r = tl.load(ratio + pair * cells + cell, mask=has_ratio, other=1).to(FLOAT)[:, None]
            total += r * g
            if WANT_HEAD and not (GATHER_TAIL or GATHER_HEAD):
                value = ((1 - r) * g).to(of_head.dtype.element_ty)
                tl.store(of_head + pair * sample + offset, value, mask=inside)
            if WANT_RATIO:
                j, readable = _member(head_index, pair, heads, sample, GATHER_HEAD)
                h = tl.load(head + j * sample + offset, mask=inside & (offset < readable), other=0).to(FLOAT)
                value = tl.sum(g * (t - h), 1) + tl.where(readable > 0, 0.0, float("nan"))
                to = of_ratio + (pair * chunks + chunk) * cells + cell
                tl.store(to, value.to(of_ratio.dtype.element_ty), mask=has_ratio)
        if WANT_TAIL:
            tl.store(of_tail + image * sample + offset, total.to(of_tail.dtype.element_ty), mask=inside)

    if WANT_HEAD and (GATHER_TAIL or GATHER_HEAD) and image < heads:
        first = image
        last = image + 1
        if GATHER_HEAD:
            first = tl.load(head_starts + image)
            last = tl.load(head_starts + image + 1)
        total = tl.zeros((SLOTS, INNER), FLOAT)
        for place in range(first, last):
            pair = place
            if GATHER_HEAD:
                pair = tl.load(head_order + place)
            g = tl.load(grad + pair * sample + offset, mask=inside, other=0).to(FLOAT)
            r = tl.load(ratio + pair * cells + cell, mask=has_ratio, other=1).to(FLOAT)[:, None]
            total += (1 - r) * g
        tl.store(of_head + image * sample + offset, total.to(of_head.dtype.element_ty), mask=inside)


class _Geometry(NamedTuple):
    """What both kernels have to know about shapes."""

    rows: int
    columns: int
    patch_h: int
    patch_w: int
    channels: int
    channels_inside: bool
    sample: int

    @classmethod
    def of(cls, like: Tensor, ratio: Tensor, memory_format: torch.memory_format) -> _Geometry:
        rows, columns = ratio.shape[-2:]
        sample = like[:1].numel() if len(like) else 0
        if like.ndim == 3:
            return cls(rows, columns, 1, 1, like.shape[2], True, sample)
        channels, height, width = like.shape[1:]
        inside = memory_format == torch.channels_last
        return cls(rows, columns, height // rows, width // columns, channels, inside, sample)


def forward(
    tail: Tensor,
    head: Tensor,
    ratio: Tensor,
    tail_index: Tensor | None,
    head_index: Tensor | None,
    num_prefix_tokens: int,
    memory_format: torch.memory_format,
) -> Tensor:
    """One launch: see :func:`longtail_mix.mixing.patch._patch_op.patch_mix`."""
    tail, head = tail.contiguous(memory_format=memory_format), head.contiguous(memory_format=memory_format)
    out = empty_like(tail, memory_format, len(ratio))
    if not out.numel():
        return out
    shape = _Geometry.of(out, ratio, memory_format)
    run = _run(shape, out.element_size())
    tile = min(_TILE, triton.next_power_of_2(shape.sample))
    blocks = triton.cdiv(shape.sample, tile)
    with torch.cuda.device_of(tail):
        _mix_kernel[(len(ratio) * blocks,)](
            tail, head, ratio.contiguous(), out, _or(tail_index, tail), _or(head_index, tail),
            len(tail), len(head), shape.sample, blocks, num_prefix_tokens,
            *shape[:6], tail_index is not None, head_index is not None, tail.dtype == torch.uint8,
            _float_for(tail.dtype), shape.sample >= 2**30, max(tile // run, 1), run, num_warps=4, enable_fp_fusion=True,
        )  # fmt: skip
    return out


def backward(
    grad: Tensor,
    tail: Tensor,
    head: Tensor,
    ratio: Tensor,
    tail_index: Tensor | None,
    head_index: Tensor | None,
    num_prefix_tokens: int,
    wanted: list[bool],
    memory_format: torch.memory_format,
) -> tuple[Tensor, Tensor, Tensor]:
    """One launch, and a small sum where a patch has more elements than a program holds."""
    tail, head = tail.contiguous(memory_format=memory_format), head.contiguous(memory_format=memory_format)
    grad, ratio = grad.contiguous(memory_format=memory_format), ratio.contiguous()
    of_tail = empty_like(tail, memory_format) if wanted[0] else tail.new_empty(0)
    of_head = empty_like(head, memory_format) if wanted[1] else head.new_empty(0)
    if not len(ratio) or not tail[:1].numel():  # no pair, or nothing in it: nothing reaches anything
        return of_tail.zero_(), of_head.zero_(), torch.zeros_like(ratio) if wanted[2] else ratio.new_empty(0)
    shape = _Geometry.of(grad, ratio, memory_format)
    inner = shape.channels * shape.patch_h * shape.patch_w
    slots = num_prefix_tokens + shape.rows * shape.columns
    if shape.patch_h == shape.patch_w == 1 and not shape.channels_inside:  # patches, not channels, are neighbours
        slot_block = min(triton.next_power_of_2(slots), 64)
        inner_block = min(triton.next_power_of_2(inner), _TILE // slot_block)
    else:
        inner_block = min(triton.next_power_of_2(inner), _TILE)
        slot_block = min(triton.next_power_of_2(slots), _TILE // inner_block)
    slot_groups, chunks = triton.cdiv(slots, slot_block), triton.cdiv(inner, inner_block)

    sums = ratio.new_empty(0)
    if wanted[2]:
        dtype = ratio.dtype if chunks == 1 else torch.promote_types(tail.dtype, torch.float32)
        sums = ratio.new_empty((len(ratio), chunks, shape.rows * shape.columns), dtype=dtype)
        if tail_index is not None:
            sums.fill_(torch.nan)  # for a pair whose tail is outside the batch: no image finds it
    tail_order, tail_starts = _pairs_of(tail_index, len(tail), tail)
    head_order, head_starts = _pairs_of(head_index, len(head), tail)
    with torch.cuda.device_of(tail):
        _gradient_kernel[(max(len(tail), len(head)) * slot_groups * chunks,)](
            grad, tail, head, ratio, of_tail, of_head, sums,
            tail_order, tail_starts, head_order, head_starts, _or(head_index, tail),
            len(tail), len(head), shape.sample, slot_groups, chunks, num_prefix_tokens,
            *shape[:6], tail_index is not None, head_index is not None, *wanted,
            _float_for(tail.dtype), shape.sample >= 2**30, slot_block, inner_block, num_warps=4, enable_fp_fusion=True,
        )  # fmt: skip
    if wanted[2]:
        sums = (sums if chunks == 1 else sums.sum(1).to(ratio.dtype)).view(ratio.shape)
    return of_tail, of_head, sums


def _pairs_of(index: Tensor | None, size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """The pairs sorted by their member, and where the pairs of each member start: [M] and [size + 1]."""
    if index is None:
        return like, like  # never read
    ordered, order = index.sort(stable=True)
    return order, torch.searchsorted(ordered, torch.arange(size + 1, dtype=index.dtype, device=index.device))


def _run(shape: _Geometry, element_size: int) -> int:
    """The longest vector, at most 16 bytes, in which all elements are always of one patch."""
    length = shape.channels if shape.channels_inside else shape.patch_w
    run = 16 // element_size
    while length % run:
        run //= 2
    return run


def _or(tensor: Tensor | None, other: Tensor) -> Tensor:
    return other if tensor is None else tensor


def _float_for(dtype: torch.dtype) -> tl.dtype:
    return tl.float64 if dtype == torch.float64 else tl.float32
