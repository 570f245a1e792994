"""A network and its slow copy: the weights of the copy are a running average of those of the network."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim.swa_utils import get_ema_multi_avg_fn

from longtail_mix._checks import check_number

__all__ = ["MomentumPair"]


class MomentumPair(nn.Module):
    """A query network, which is trained, and a key network, which follows it (MoCo, He et al. 2020, Eq. 2).

    After each step of the optimiser, for every weight::

        key = momentum * key + (1 - momentum) * query

    Both are whole networks of the same class, so what can be done with one can be done with the other:
    ``MixInside(pair.query, layer)`` and ``MixInside(pair.key, layer)`` mix in the same place of both, each view with
    its own ratio; a network cut by hand has ``pair.query.lower`` and ``pair.key.lower``.

    The key starts equal to the query and asks for no gradients. Call it under ``torch.no_grad()``, and give
    ``pair.query.parameters()`` to the optimiser. Load pretrained weights and cast the query *before* it is paired.

    The average is kept in float32 at least. A bfloat16 number near 1 moves by 1/256 or not at all, and would never
    see a step of 1/1000: beside such weights the pair keeps a float32 average, and the key gets it rounded.

    Buffers are not averaged: the key keeps its own. Where it has BatchNorm, run it in training mode, as MoCo does; its
    running statistics are then those of its own features. In evaluation mode it keeps the statistics it started with.

    Args:
        query: any network; its tied weights are tied in the key as well.
        momentum: the share of the key that stays at each update, from 0 to 1. A plain attribute, read at each update.

    Raises:
        TypeError: no network, a momentum that is no number.
        ValueError: a momentum outside [0, 1]; a lazy network that has not seen its first input.

    Example:
        >>> from longtail_mix import MixInside
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> pair = MomentumPair(network, momentum=0.99)
        >>> optimizer = torch.optim.SGD(pair.query.parameters(), lr=0.1)
        >>> first_view, second_view, head = torch.rand(3, 2, 3, 16, 16)
        >>> ratios = torch.rand(2, 2, 1, 4, 4)
        >>> with MixInside(pair.query, "0") as mix_query, MixInside(pair.key, "0") as mix_key:
        ...     queries = mix_query(first_view, head, ratios[0])
        ...     with torch.no_grad():
        ...         keys = mix_key(second_view, head, ratios[1])
        >>> torch.dist(queries, keys).backward()
        >>> optimizer.step()
        >>> pair.update()

        Cut by hand where the mix is to be, here after the first layer::

            tail_features, head_features = pair.key[0](torch.cat([tail, head])).chunk(2)
            keys = pair.key[1:](patch_mixup(tail_features, head_features, ratio))
    """

    def __init__(self, query: nn.Module, momentum: float = 0.999) -> None:
        super().__init__()
        if not isinstance(query, nn.Module):
            raise TypeError(f"query: expected a torch.nn.Module, got {type(query).__name__}")
        check_number(momentum, "momentum")
        if not 0.0 <= momentum <= 1.0:
            raise ValueError(f"momentum: expected a number from 0 to 1, got {momentum}")
        if any(is_lazy(tensor) for tensor in (*query.parameters(), *query.buffers())):
            raise ValueError("query: expected a network whose weights have a shape; run a lazy one once before")
        self.query = query
        self.key = deepcopy(query).requires_grad_(False)
        self.momentum = momentum
        keys = list(self.key.parameters())
        beside = (
            [nn.Parameter(key.float().clone(), requires_grad=False) for key in keys]
            if any(map(_is_narrow, keys))
            else []
        )
        self.average = nn.ParameterList(beside)  # empty where the key itself is wide enough to be the average

    @torch.no_grad()
    def update(self) -> None:
        """Move the key a step towards the query; after the optimiser's step. Never waits for the device.

        Raises:
            RuntimeError: the query got or lost weights, or the pair was cast to less than float32, after it was paired.
        """
        queries, keys = dict(self.query.named_parameters()), dict(self.key.named_parameters())
        if queries.keys() != keys.keys():
            changed = sorted(queries.keys() ^ keys.keys())
            raise RuntimeError(f"query: expected the weights it had when it was paired, got a change in {changed[:3]}")
        averages = list(self.average) or list(keys.values())
        if any(map(_is_narrow, averages)):
            raise RuntimeError("MomentumPair: expected averages of at least float32; cast the query, then pair it")
        towards = [query.to(average.dtype) for query, average in zip(queries.values(), averages, strict=True)]
        if towards:
            get_ema_multi_avg_fn(self.momentum)(averages, towards, 0)  # one fused lerp; the count is not used
        if len(self.average):
            torch._foreach_copy_(list(keys.values()), averages)

    def extra_repr(self) -> str:
        """Show the momentum."""
        return f"momentum={self.momentum}"


def _is_narrow(tensor: torch.Tensor) -> bool:
    return tensor.itemsize < torch.float32.itemsize
