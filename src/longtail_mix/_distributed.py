"""What the ranks of a distributed training tell each other: one tensor out of everybody's, with an exact gradient.

Everything here also works in one process, where ``torch.distributed`` is not initialised: there a gathered tensor is
the tensor itself.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from longtail_mix._checks import check_tensor, values_are_readable

__all__ = ["gather", "gather_with_gradient", "rank", "total", "world_size"]


def world_size() -> int:
    """How many processes train together; 1 where ``torch.distributed`` is not initialised."""
    return dist.get_world_size() if _is_initialised() else 1


def rank() -> int:
    """Which of them this one is, from 0."""
    return dist.get_rank() if _is_initialised() else 0


def gather(tensor: Tensor) -> Tensor:
    """The tensors of all ranks in the order of the ranks, [N, ...] -> [world_size * N, ...]; no gradient.

    Every rank calls this at the same place, with as many rows. Unequal rows are an error on the CPU. A GPU would have
    to wait for that check, so there it is up to PyTorch (``TORCH_DISTRIBUTED_DEBUG=DETAIL`` makes it look).

    Example:
        >>> gather(torch.tensor([1, 2]))
        tensor([1, 2])
    """
    check_tensor(tensor, "tensor")
    return _gather(tensor.detach()) if world_size() > 1 else tensor.detach()


def gather_with_gradient(tensor: Tensor) -> Tensor:
    """As :func:`gather`, with a gradient: that of the *sum* of the losses of all ranks.

    So where each rank's loss is ``world_size`` times its part of the loss of the whole batch, the average that
    ``DistributedDataParallel`` takes of the ranks' gradients is the gradient of one process with the whole batch. The
    backward talks to the other ranks too: all of them have to run it.

    Example:
        >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> gather_with_gradient(x).square().sum().backward()
        >>> x.grad
        tensor([2., 4.])
    """
    check_tensor(tensor, "tensor")
    if world_size() == 1:
        return tensor
    gathered: Tensor = _Gather.apply(tensor)
    return gathered


def total(tensor: Tensor) -> Tensor:
    """The sum of the ranks' tensors; no gradient.

    Example:
        >>> total(torch.tensor(3))
        tensor(3)
    """
    summed = tensor.detach().clone()
    if world_size() > 1:
        dist.all_reduce(summed)
    return summed


def _is_initialised() -> bool:
    return dist.is_available() and dist.is_initialized()


def _gather(tensor: Tensor) -> Tensor:
    tensor = tensor.contiguous()
    if values_are_readable(tensor):
        _check_rows(tensor)
    parts = [torch.empty_like(tensor) for _ in range(world_size())]
    dist.all_gather(parts, tensor)
    return torch.cat(parts)


def _check_rows(tensor: Tensor) -> None:
    rows = [torch.zeros(1, dtype=torch.int64) for _ in range(world_size())]
    dist.all_gather(rows, torch.tensor([len(tensor)]))
    counts = torch.cat(rows).tolist()
    if len(set(counts)) > 1:
        raise ValueError(f"tensor: expected as many rows on every rank, got {counts}")


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        ctx.rows = len(tensor)
        return _gather(tensor)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        # Each rank's loss depends on these rows: their gradient is the sum of what all ranks have for them.
        return total(gradient.contiguous())[rank() * ctx.rows : (rank() + 1) * ctx.rows]
