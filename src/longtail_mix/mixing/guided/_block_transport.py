"""Blocks of an image moved to where a mask shows it: the transport of PuzzleMix."""

from __future__ import annotations

import torch
from torch import Tensor

from longtail_mix.mixing._moves import pixel_grid


def transport_cost(saliency: Tensor, share: Tensor, xi: float) -> Tensor:
    """``xi * distance[i, j] ** 2 - saliency[i] * share[j]`` of moving block i to place j, [B, n * n, n * n].

    saliency and share [B, n, n]; the distance is 1 along a side of the image.
    """
    n = saliency.shape[-1]
    place = torch.arange(n * n, device=saliency.device)
    x, y = place % n, place // n
    squared = (x.unsqueeze(1) - x).square() + (y.unsqueeze(1) - y).square()
    return xi / max(n - 1, 1) ** 2 * squared - saliency.flatten(1).unsqueeze(2) * share.flatten(1).unsqueeze(1)


def exchange_blocks(cost: Tensor, rounds: int) -> Tensor:
    """Which block [B, N] comes to each place: cost [B, N, N], of blocks and places, made smaller by exchanges.

    Each round finds for each place the other with which an exchange of blocks saves most, and exchanges those that
    want each other. So the cost falls by the best exchange at least, and ends where no exchange of two saves anything.
    """
    every = torch.arange(cost.shape[-1], device=cost.device)
    of_place = every.expand(cost.shape[:2])
    for _ in range(rounds):
        here = cost.gather(1, of_place.unsqueeze(2).expand_as(cost))  # of the block at place a, at place b
        own = here.diagonal(dim1=1, dim2=2)
        saved, other = (own.unsqueeze(2) + own.unsqueeze(1) - (here + here.mT)).max(2)
        agree = (other.gather(1, other) == every) & (saved > 0)
        of_place = torch.where(agree, of_place.gather(1, other), of_place)
    return of_place


def blocks_grid(of_place: Tensor, blocks: int, height: int, width: int) -> Tensor:
    """Where the pixels [B, H, W, 2] of an image come from, whose ``blocks x blocks`` blocks were moved."""
    place = torch.arange(blocks**2, device=of_place.device)
    moves = [of_place % blocks - place % blocks, of_place // blocks - place // blocks]
    moved: Tensor = torch.stack(moves, -1).unflatten(1, (blocks, blocks)) * (2 / blocks)
    moved = moved.repeat_interleave(height // blocks, 1).repeat_interleave(width // blocks, 2)
    return pixel_grid(height, width, moved) + moved
