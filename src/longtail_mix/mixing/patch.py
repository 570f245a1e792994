"""Patch mixup: two pictures, feature maps or token sequences mixed with a ratio of their own for each patch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from longtail_mix._checks import (
    check_alike,
    check_finite,
    check_floating,
    check_same_device,
    check_share,
    check_tensor,
    check_whole,
    is_finite,
    values_are_readable,
)

__all__ = ["PatchMixup", "patch_mixup"]


def patch_mixup(tail: Tensor, head: Tensor, ratio: Tensor, num_prefix_tokens: int = 0) -> Tensor:
    """``ratio * tail + (1 - ratio) * head``, each ratio spread over its patch: Eq. 2 of the SPMix paper.

    The same in plain PyTorch, for pictures and feature maps::

        r = ratio.repeat_interleave(H // h, -2).repeat_interleave(W // w, -1)
        mixed = r * tail + (1 - r) * head

    Computed as ``torch.lerp(head, tail, r)``, which never leaves the interval between its two ends.

    Args:
        tail: the pictures that keep their label: pictures or feature maps [B, C, H, W] (floating point or uint8), or
            tokens [B, N, D] in row-major order of the grid.
        head: their partners, same shape, dtype and device.
        ratio: share of the tail in each patch, [B, 1, h, w] in [0, 1], floating point. h divides H and w divides W;
            for tokens ``num_prefix_tokens + h * w == N``.
        num_prefix_tokens: class and register tokens in front of the patch tokens; they stay the tail's.

    Returns:
        The mix, in the shape and dtype of `tail`, and in the memory format of both where they agree. Gradients reach
        tail, head and ratio. uint8 pictures are mixed in float32 and rounded.

    Raises:
        TypeError: integer pictures other than uint8, or an integer ratio.
        ValueError: shapes or devices that do not fit; and, where values can be read without stalling a device (on the
            CPU, outside ``torch.compile``), NaN or infinity, or a ratio outside [0, 1].

    Example:
        >>> tail, head = torch.ones(1, 1, 2, 4), torch.zeros(1, 1, 2, 4)
        >>> patch_mixup(tail, head, torch.tensor([[[[0.75, 0.25]]]]))
        tensor([[[[0.7500, 0.7500, 0.2500, 0.2500],
                  [0.7500, 0.7500, 0.2500, 0.2500]]]])
    """
    check_tensor(tail, "tail")
    check_tensor(head, "head")
    _check_ratio(ratio)
    check_alike(tail, head, "tail", "head")
    check_same_device(tail, ratio, "tail", "ratio")
    if tail.ndim not in (3, 4):
        raise ValueError(f"tail: expected [B, C, H, W] or tokens [B, N, D], got shape {list(tail.shape)}")
    if len(ratio) != len(tail):
        raise ValueError(f"ratio: expected one for each of {len(tail)} pairs, got shape {list(ratio.shape)}")
    if tail.dtype == torch.uint8:
        mixed = patch_mixup(tail.to(torch.float32), head.to(torch.float32), ratio, num_prefix_tokens)
        return mixed.round_().to(torch.uint8)
    check_floating(tail, "tail")
    ratio = ratio.to(tail.dtype)
    mixed = _mix_maps(tail, head, ratio) if tail.ndim == 4 else _mix_tokens(tail, head, ratio, num_prefix_tokens)
    if values_are_readable(mixed) and not is_finite(mixed):  # one pass where all is well
        check_finite(tail, "tail")
        check_finite(head, "head")
    return mixed


def _mix_maps(tail: Tensor, head: Tensor, ratio: Tensor) -> Tensor:
    height, width = tail.shape[-2:]
    rows, columns = ratio.shape[-2:]
    if height % rows or width % columns:
        raise ValueError(f"ratio: expected a grid that divides {height}x{width}, got {rows}x{columns}")

    blocks = (*tail.shape[:2], rows, height // rows, columns, width // columns)
    mixed = torch.lerp(head.view(blocks), tail.view(blocks), ratio[..., :, None, :, None])
    return mixed.flatten(-4, -3).flatten(-2, -1)


def _mix_tokens(tail: Tensor, head: Tensor, ratio: Tensor, num_prefix_tokens: int) -> Tensor:
    patches = tail.shape[1] - num_prefix_tokens
    rows, columns = ratio.shape[-2:]
    if num_prefix_tokens < 0 or patches != rows * columns:
        raise ValueError(
            f"ratio: expected {patches} ratios for {tail.shape[1]} tokens of which {num_prefix_tokens} "
            f"are prefix tokens, got {rows}x{columns}"
        )
    weight = ratio.flatten(1).unsqueeze(-1)  # [B, h*w, 1]
    mixed = torch.lerp(head[:, num_prefix_tokens:], tail[:, num_prefix_tokens:], weight)
    return torch.cat([tail[:, :num_prefix_tokens], mixed], 1)


def _check_ratio(ratio: Tensor) -> None:
    check_floating(ratio, "ratio")
    if ratio.ndim != 4 or ratio.shape[1] != 1 or 0 in ratio.shape[-2:]:
        raise ValueError(f"ratio: expected [B, 1, h, w], got shape {list(ratio.shape)}")
    check_share(ratio, "ratio")


class PatchMixup(nn.Module):
    """Mix pairs with one ratio per patch, as a module: see :func:`patch_mixup`.

    Args:
        num_prefix_tokens: class and register tokens in front of the patch tokens; they stay the tail's.

    Shape:
        tail and head [B, C, H, W] or [B, N, D], ratio [B, 1, h, w] -> the shape of tail.

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
        """Mix tail and head with ratios [B, 1, h, w]."""
        return patch_mixup(tail, head, ratio, self.num_prefix_tokens)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"num_prefix_tokens={self.num_prefix_tokens}"
