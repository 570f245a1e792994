"""Patch mixup as one operation of PyTorch's: the kernel where Triton runs, the reference elsewhere.

Callers ask :func:`~longtail_mix._triton.kernels_run_on` first; that file says why the choice is theirs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from longtail_mix._triton import kernels_run_on
from longtail_mix.mixing.patch._patch_reference import common_format, empty_like, gradients, mix_picked

_ARGUMENTS = "Tensor tail, Tensor head, Tensor ratio, Tensor? tail_index, Tensor? head_index, int num_prefix_tokens"


@torch.library.custom_op("longtail_mix::patch_mix", mutates_args=(), schema=f"({_ARGUMENTS}) -> Tensor")
def patch_mix(
    tail: Tensor,
    head: Tensor,
    ratio: Tensor,
    tail_index: Tensor | None,
    head_index: Tensor | None,
    num_prefix_tokens: int,
) -> Tensor:
    """``ratio[m] * tail[tail_index[m]] + (1 - ratio[m]) * head[head_index[m]]`` for every pair m."""
    memory_format = common_format(tail, head)
    if not kernels_run_on(tail):
        mixed = mix_picked(tail, head, ratio, tail_index, head_index, num_prefix_tokens)
        return empty_like(tail, memory_format, len(ratio)).copy_(mixed)  # the reference may keep other strides
    from longtail_mix.mixing.patch._patch_triton import forward

    return forward(tail, head, ratio, tail_index, head_index, num_prefix_tokens, memory_format)


@patch_mix.register_fake
def _(
    tail: Tensor,
    head: Tensor,
    ratio: Tensor,
    _tail_index: Tensor | None,
    _head_index: Tensor | None,
    _num_prefix_tokens: int,
) -> Tensor:
    return empty_like(tail, common_format(tail, head), ratio.shape[0])


@torch.library.custom_op(
    "longtail_mix::patch_mix_backward",
    mutates_args=(),
    schema=f"(Tensor grad, {_ARGUMENTS}, bool[] wanted) -> (Tensor, Tensor, Tensor)",
)
def patch_mix_backward(
    grad: Tensor,
    tail: Tensor,
    head: Tensor,
    ratio: Tensor,
    tail_index: Tensor | None,
    head_index: Tensor | None,
    num_prefix_tokens: int,
    wanted: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of tail, head and ratio; one that is not `wanted` comes back empty."""
    memory_format = common_format(tail, head)
    if not kernels_run_on(tail):
        of_tail, of_head, of_ratio = gradients(grad, tail, head, ratio, tail_index, head_index, num_prefix_tokens)
        return (
            empty_like(tail, memory_format).copy_(of_tail) if wanted[0] else tail.new_empty(0),
            empty_like(head, memory_format).copy_(of_head) if wanted[1] else head.new_empty(0),
            of_ratio.clone() if wanted[2] else ratio.new_empty(0),
        )
    from longtail_mix.mixing.patch._patch_triton import backward

    return backward(grad, tail, head, ratio, tail_index, head_index, num_prefix_tokens, wanted, memory_format)


@patch_mix_backward.register_fake
def _(
    _grad: Tensor,
    tail: Tensor,
    head: Tensor,
    ratio: Tensor,
    _tail_index: Tensor | None,
    _head_index: Tensor | None,
    _num_prefix_tokens: int,
    wanted: list[bool],
) -> tuple[Tensor, Tensor, Tensor]:
    memory_format = common_format(tail, head)
    return (
        empty_like(tail, memory_format) if wanted[0] else tail.new_empty(0),
        empty_like(head, memory_format) if wanted[1] else head.new_empty(0),
        ratio.new_empty(ratio.shape) if wanted[2] else ratio.new_empty(0),
    )


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001 (PyTorch hands it over)
    *tensors, ctx.num_prefix_tokens = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    wanted = list(ctx.needs_input_grad[:3])
    arguments = (grad, *ctx.saved_tensors, ctx.num_prefix_tokens)
    # Under create_graph the gradients need gradients, which the kernel's do not have.
    found = gradients(*arguments) if torch.is_grad_enabled() else patch_mix_backward(*arguments, wanted)
    return (*(g if w else None for g, w in zip(found, wanted, strict=True)), None, None, None)


patch_mix.register_autograd(_backward, setup_context=_save)
