"""Patch mixup: two images, feature maps or token sequences mixed with a ratio of their own for each patch."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix._checks import (
    check_alike,
    check_finite,
    check_floating,
    check_index,
    check_same_device,
    check_share,
    check_tensor,
    check_whole,
    is_finite,
    values_are_readable,
    written,
)
from longtail_mix._module import Module
from longtail_mix._triton import kernels_run_on
from longtail_mix.mixing.patch._patch_op import patch_mix
from longtail_mix.mixing.patch._patch_reference import mix_picked

__all__ = ["PatchMixup", "patch_mixup"]


def patch_mixup(
    tail: Tensor,
    head: Tensor,
    ratio: Tensor,
    num_prefix_tokens: int = 0,
    tail_index: Tensor | None = None,
    head_index: Tensor | None = None,
) -> Tensor:
    """``ratio * tail + (1 - ratio) * head``, each ratio spread over its patch: Eq. 2 of the SPMix paper.

    The same in plain PyTorch, for images and feature maps::

        r = ratio.repeat_interleave(H // h, -2).repeat_interleave(W // w, -1)
        mixed = r * tail + (1 - r) * head

    Computed as ``torch.lerp(head, tail, r)``, which never leaves the interval between its two ends. On a GPU with
    Triton it is one kernel, which also picks the pairs where indices are given and copies nothing; elsewhere it is
    plain PyTorch.

    Args:
        tail: the images that keep their label: images or feature maps [B, C, H, W] (floating point or uint8), volumes
            [B, C, D, H, W], or tokens [B, N, D] in row-major order of the grid.
        head: their partners, same shape, dtype and device.
        ratio: share of the tail in each patch, [B, 1, h, w] in [0, 1], floating point. h divides H and w divides W;
            for tokens ``num_prefix_tokens + h * w == N``; for volumes [B, 1, d, h, w], where d divides D too.
        num_prefix_tokens: class and register tokens in front of the patch tokens; they stay the tail's.
        tail_index: [M], integers: mix ``tail[tail_index]``, as :class:`~longtail_mix.HeadTailPairing` returns it. Then
            there are M ratios and M results. Default: all of `tail` in order.
        head_index: likewise for `head`. With an index, tail and head may be batches of different length.

    Returns:
        The mix, in the shape and dtype of `tail`, and in the memory format of both where they agree. Gradients reach
        tail, head and ratio. uint8 images are mixed in float32 and rounded.

    Raises:
        TypeError: integer images other than uint8, an integer ratio, or a number of prefix tokens that is not whole.
        ValueError: shapes or devices that do not fit, prefix tokens where there are no tokens; and, where values can
            be read without stalling a device (on the CPU, outside ``torch.compile``), NaN or infinity, a ratio outside
            [0, 1], or an index outside the batch.

    Example:
        >>> tail, head = torch.ones(1, 1, 2, 4), torch.zeros(1, 1, 2, 4)
        >>> patch_mixup(tail, head, torch.tensor([[[[0.75, 0.25]]]]))
        tensor([[[[0.7500, 0.7500, 0.2500, 0.2500],
                  [0.7500, 0.7500, 0.2500, 0.2500]]]])
    """
    check_tensor(tail, "tail")
    check_tensor(head, "head")
    _check_ratio(ratio)
    check_same_device(tail, ratio, "tail", "ratio")
    check_whole(num_prefix_tokens, "num_prefix_tokens", 0)
    if tail.ndim not in (3, 4, 5):
        raise ValueError(
            f"tail: expected [B, C, H, W], [B, C, D, H, W] or tokens [B, N, D], got shape {list(tail.shape)}"
        )
    _check_pairs(tail, head, ratio, tail_index, head_index)
    if tail.dtype != torch.uint8:
        check_floating(tail, "tail")
    _check_grid(tail, ratio, num_prefix_tokens)
    size = tail.shape[2:]
    if tail.ndim == 5:  # a volume is an image of its slices, one below the other
        ratio = ratio.repeat_interleave(size[0] // ratio.shape[2], 2).flatten(2, 3)
        tail, head = tail.flatten(2, 3), head.flatten(2, 3)
    if kernels_run_on(tail):
        mixed: Tensor = patch_mix(tail, head, ratio, tail_index, head_index, num_prefix_tokens)
    else:
        mixed = mix_picked(tail, head, ratio, tail_index, head_index, num_prefix_tokens)
    if mixed.is_floating_point() and values_are_readable(mixed) and not is_finite(mixed):  # one pass where all is well
        check_finite(tail, "tail")
        check_finite(head, "head")
    return mixed.unflatten(2, size[:2]) if len(size) == 3 else mixed


def _check_pairs(
    tail: Tensor, head: Tensor, ratio: Tensor, tail_index: Tensor | None, head_index: Tensor | None
) -> None:
    if tail_index is None and head_index is None:
        check_alike(tail, head, "tail", "head")
    elif head.ndim != tail.ndim:
        raise ValueError(f"head: expected {tail.ndim} dimensions like tail, got shape {list(head.shape)}")
    else:  # batches of different length
        check_alike(tail[:0], head[:0], "tail", "head")
    for batch, name, index in ((tail, "tail", tail_index), (head, "head", head_index)):
        if index is not None:
            check_index(index, len(batch), len(ratio), f"{name}_index")
            check_same_device(batch, index, name, f"{name}_index")
        elif len(ratio) != len(batch):
            raise ValueError(f"ratio: expected one for each of {len(batch)} pairs, got shape {list(ratio.shape)}")


def _check_grid(tail: Tensor, ratio: Tensor, num_prefix_tokens: int) -> None:
    grid = tuple(ratio.shape[2:])
    if len(grid) != (3 if tail.ndim == 5 else 2):
        raise ValueError(
            f"ratio: expected [B, 1, d, h, w] for volumes and [B, 1, h, w] for others, got shape {list(ratio.shape)} "
            f"for {list(tail.shape)}; a ratio.unsqueeze(2) is that of all slices"
        )
    if tail.ndim != 3:
        if num_prefix_tokens:
            raise ValueError(f"num_prefix_tokens: expected 0 for images and feature maps, got {num_prefix_tokens}")
        size = tuple(tail.shape[2:])
        if any(pixels % patches for pixels, patches in zip(size, grid, strict=True)):
            raise ValueError(f"ratio: expected a grid that divides {written(size)}, got {written(grid)}")
        return
    rows, columns = grid
    patches = tail.shape[1] - num_prefix_tokens
    if patches != rows * columns:
        raise ValueError(
            f"ratio: expected {patches} ratios for {tail.shape[1]} tokens of which {num_prefix_tokens} "
            f"are prefix tokens, got {rows}x{columns}"
        )


def _check_ratio(ratio: Tensor) -> None:
    check_floating(ratio, "ratio")
    if ratio.ndim not in (4, 5) or ratio.shape[1] != 1 or 0 in ratio.shape[2:]:
        raise ValueError(f"ratio: expected [B, 1, h, w] or [B, 1, d, h, w], got shape {list(ratio.shape)}")
    check_share(ratio, "ratio")


class PatchMixup(Module):
    """Mix pairs with one ratio per patch, as a module: see :func:`patch_mixup`.

    Args:
        num_prefix_tokens: class and register tokens in front of the patch tokens; they stay the tail's.

    Shape:
        tail and head [B, C, H, W] or [B, N, D], ratio [B, 1, h, w] -> the shape of tail; of volumes [B, C, D, H, W]
        and ratios [B, 1, d, h, w] likewise.

    Example:
        >>> tokens = torch.rand(2, 1 + 14 * 14, 384)
        >>> PatchMixup(num_prefix_tokens=1)(tokens, tokens.flip(0), torch.rand(2, 1, 14, 14)).shape
        torch.Size([2, 197, 384])
    """

    def __init__(self, num_prefix_tokens: int = 0) -> None:
        super().__init__()
        check_whole(num_prefix_tokens, "num_prefix_tokens", 0)
        self.num_prefix_tokens = num_prefix_tokens

    def forward(self, tail: Tensor, head: Tensor, ratio: Tensor) -> Tensor:
        """Mix tail and head with a ratio for each patch."""
        return patch_mixup(tail, head, ratio, self.num_prefix_tokens)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"num_prefix_tokens={self.num_prefix_tokens}"
