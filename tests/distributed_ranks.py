"""Four gloo processes for test_distributed.py: pytest's own is rank 0, this file as a program is the others."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from longtail_mix._distributed import gather, gather_with_gradient, rank, total, world_size

WORLDS = (4, 2, 1)


@contextmanager
def world(folder: str, rank: int, size: int) -> Iterator[None]:
    """`size` processes that meet in a file."""
    meeting = f"file://{folder}/meet{size}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size, timeout=timedelta(seconds=60))
    try:
        yield
    finally:
        dist.destroy_process_group()


def gathering() -> dict[str, Any]:
    """What the functions of ``_distributed`` give on this rank."""
    mine = torch.arange(6.0, dtype=torch.float64).view(2, 3) + 10 * rank()
    x = mine.clone().requires_grad_()
    together = gather_with_gradient(x)
    (together * (rank() + 1)).square().sum().backward()
    unequal = ""
    try:
        gather(torch.zeros(1 + rank()))
    except ValueError as error:
        unequal = str(error)
    return {
        "rank": rank(),
        "size": world_size(),
        "mine": mine,
        "gathered": gather(mine.t()),  # not contiguous
        "together": together.detach(),
        "gradient": x.grad,
        "gathered has a gradient": gather(x).requires_grad,
        "total": total(torch.tensor(rank() + 1)),
        "unequal": unequal,
    }


JOBS: dict[str, Callable[[], Any]] = {"gathering": gathering}


def run(folder: str, me: int) -> dict[int, dict[str, Any]]:
    """Every job in worlds of 4, 2 and 1 processes, as far as this one is in them."""
    results = {}
    for size in WORLDS:
        if me < size:
            with world(folder, me, size):
                results[size] = {name: job() for name, job in JOBS.items()}
    return results


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.save(run(sys.argv[1], int(sys.argv[2])), f"{sys.argv[1]}/rank{sys.argv[2]}.pt")
