"""Patch mixup and its gradients in plain PyTorch: what the kernel has to equal, and what runs where it cannot."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mix_pairs(tail: Tensor, head: Tensor, ratio: Tensor, num_prefix_tokens: int = 0) -> Tensor:
    """Mix pairs [M, ...] with ratios [M, 1, h, w]; shapes have been checked."""
    if tail.dtype == torch.uint8:
        mixed = mix_pairs(tail.to(torch.float32), head.to(torch.float32), ratio, num_prefix_tokens)
        return mixed.round_().to(torch.uint8)
    ratio = ratio.to(tail.dtype)
    return _mix_maps(tail, head, ratio) if tail.ndim == 4 else _mix_tokens(tail, head, ratio, num_prefix_tokens)


def _mix_maps(tail: Tensor, head: Tensor, ratio: Tensor) -> Tensor:
    mixed = torch.lerp(_blocks(head, ratio), _blocks(tail, ratio), ratio[..., :, None, :, None])
    return mixed.flatten(-4, -3).flatten(-2, -1)


def _blocks(maps: Tensor, ratio: Tensor) -> Tensor:
    """A view [M, C, h, H / h, w, W / w]."""
    height, width = maps.shape[-2:]
    rows, columns = ratio.shape[-2:]
    return maps.view(*maps.shape[:2], rows, height // rows, columns, width // columns)


def _mix_tokens(tail: Tensor, head: Tensor, ratio: Tensor, num_prefix_tokens: int) -> Tensor:
    weight = ratio.flatten(1).unsqueeze(-1)  # [M, h*w, 1]
    mixed = torch.lerp(head[:, num_prefix_tokens:], tail[:, num_prefix_tokens:], weight)
    return torch.cat([tail[:, :num_prefix_tokens], mixed], 1)


def mix_picked(
    tail: Tensor,
    head: Tensor,
    ratio: Tensor,
    tail_index: Tensor | None,
    head_index: Tensor | None,
    num_prefix_tokens: int = 0,
) -> Tensor:
    """Mix the pairs that two indices name, or all in order."""
    tail, picked = gather(tail, tail_index), gather(head, head_index)
    needs_gradients = torch.is_grad_enabled() and any(t.requires_grad for t in (tail, head, ratio))
    if head_index is None or needs_gradients or tail.dtype == torch.uint8 or torch.compiler.is_compiling():
        return mix_pairs(tail, picked, ratio, num_prefix_tokens)
    # Nobody else sees this copy: mixing into it saves the memory of another, almost half of the time on a CPU.
    ratio = ratio.to(tail.dtype)
    if tail.ndim == 4:
        _blocks(picked, ratio).lerp_(_blocks(tail, ratio), ratio[..., :, None, :, None])
        return picked
    picked[:, num_prefix_tokens:].lerp_(tail[:, num_prefix_tokens:], ratio.flatten(1).unsqueeze(-1))
    picked[:, :num_prefix_tokens] = tail[:, :num_prefix_tokens]
    return picked


def common_format(tail: Tensor, head: Tensor) -> torch.memory_format:
    """channels_last where both are, unless contiguous fits as well; else contiguous."""
    both = (tail, head)
    if tail.ndim != 4 or all(t.is_contiguous() for t in both):
        return torch.contiguous_format
    if all(t.is_contiguous(memory_format=torch.channels_last) for t in both):
        return torch.channels_last
    return torch.contiguous_format


def empty_like(tensor: Tensor, memory_format: torch.memory_format, size: int | None = None) -> Tensor:
    """Memory for a batch like `tensor`, or of another size."""
    shape = (tensor.shape[0] if size is None else size, *tensor.shape[1:])
    return torch.empty(shape, dtype=tensor.dtype, device=tensor.device, memory_format=memory_format)


def gather(tensor: Tensor, index: Tensor | None) -> Tensor:
    """The members of each pair: all of `tensor` in order, or those that `index` names."""
    if index is None:
        return tensor
    # Whole images are copied at once, which is several times as fast on a CPU; it would not keep channels_last.
    return tensor.index_select(0, index) if tensor.is_contiguous() else tensor[index]


def gradients(
    grad: Tensor,
    tail: Tensor,
    head: Tensor,
    ratio: Tensor,
    tail_index: Tensor | None,
    head_index: Tensor | None,
    num_prefix_tokens: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """What `grad` [M, ...] is to tail, head and ratio; differentiable itself. An image in several pairs gets the sum.

    With the ratio r of a pair spread over its patches: ``r * grad`` to its tail, ``(1 - r) * grad`` to its head, and
    the sum over each patch of ``grad * (tail - head)`` to the ratio.
    """
    difference = gather(tail, tail_index) - gather(head, head_index)
    rows, columns = ratio.shape[-2:]
    if grad.ndim == 4:
        height, width = grad.shape[-2] // rows, grad.shape[-1] // columns
        spread = ratio[..., :, None, :, None].expand(-1, -1, -1, height, -1, width).reshape(-1, 1, *grad.shape[-2:])
        of_pixels = (grad * difference).sum(1, keepdim=True, dtype=ratio.dtype)
        of_ratio = of_pixels.view(-1, 1, rows, height, columns, width).sum((3, 5))
    else:
        spread = F.pad(ratio.flatten(1).unsqueeze(-1), (0, 0, num_prefix_tokens, 0), value=1)
        of_ratio = (grad * difference)[:, num_prefix_tokens:].sum(-1, dtype=ratio.dtype).view_as(ratio)
    of_tail = (spread * grad).to(tail.dtype)
    of_head = ((1 - spread) * grad).to(head.dtype)
    if tail_index is not None:
        of_tail = torch.zeros_like(tail).index_add(0, tail_index, of_tail)
    if head_index is not None:
        of_head = torch.zeros_like(head).index_add(0, head_index, of_head)
    return of_tail, of_head, of_ratio
