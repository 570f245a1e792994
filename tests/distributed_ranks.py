"""Four gloo processes for test_distributed.py: pytest's own is rank 0, this file as a program is the others."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from longtail_mix import BalancedContrastiveLoss, MixedTarget, PaCoLoss, SupervisedContrastiveLoss
from longtail_mix._distributed import gather, gather_with_gradient, rank, total, world_size

WORLDS = (4, 2, 1)


@contextmanager
def world(folder: str, rank: int, size: int) -> Iterator[None]:
    """`size` processes that meet in a file."""
    meeting = f"file://{folder}/meet{size}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size, timeout=timedelta(seconds=240))
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
    second = ""
    try:
        again = torch.ones(2, requires_grad=True)
        cubes = gather_with_gradient(again).pow(3).sum() + again.pow(3).sum()
        (first,) = torch.autograd.grad(cubes, again, create_graph=True)
        first.sum().backward()
    except RuntimeError as error:
        second = str(error)
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
        "second derivative": second,
    }


class Net(nn.Module):
    """Features, and what else a loss wants: nothing, logits, or prototypes."""

    def __init__(self, second: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 4))
        self.classifier = nn.Linear(4, 6) if second == "logits" else None
        self.prototypes = nn.Parameter(torch.randn(6, 4)) if second == "prototypes" else None

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = self.encoder(images)
        if self.classifier is not None:
            return features, [self.classifier(features[: len(features) // 2])]  # of the queries
        return features, [] if self.prototypes is None else [self.prototypes.clone()]


LOSSES = {
    "supervised": (SupervisedContrastiveLoss(0.3), ""),
    "paco": (PaCoLoss([70, 20, 5, 3, 1, 1], alpha=0.3, temperature=0.3), "logits"),
    "paco without beta": (PaCoLoss(alpha=0.3, beta=0.0, temperature=0.3), "logits"),
    "balanced": (BalancedContrastiveLoss(0.3), "prototypes"),
}
# Anchors with positives, without keys: all are on the first half of the ranks, none on rank 3 of 4.
LABELS = torch.tensor([0, 0, 0, 1, 2, 3, 4, 5], dtype=torch.int16)


def contrasting() -> dict[str, tuple[Tensor, dict[str, Tensor]]]:
    """For each loss and kind of batch, this rank's loss and the average of the ranks' gradients."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 8, 5, generator=generator, dtype=torch.float64)  # two views
    queue = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    places = {"queue": queue, "queue_labels": torch.tensor([0, -1, 5, 5, 2, -1, 3])}
    lam = torch.rand(8, generator=generator, dtype=torch.float64)
    mixed = MixedTarget(LABELS, LABELS.flip(0), lam)
    mine = slice(rank() * 8 // world_size(), (rank() + 1) * 8 // world_size())
    found = {}
    for name, (loss, second) in LOSSES.items():
        for kind in ("labels", "keys and queue", "mixed", "soft"):
            net = Net(second).double()
            features, more = net(images[:, mine].flatten(0, 1))
            queries, keys = features.chunk(2)
            target: Tensor | MixedTarget = LABELS[mine]
            if kind == "mixed":
                target = MixedTarget(*(part[mine] for part in mixed))
            elif kind == "soft":
                target = mixed.soft(6)[mine]
            extra = {} if kind == "labels" else {"keys": keys, **places}
            value = loss(queries, *more, target, **extra)
            value.backward()
            # What DistributedDataParallel does, without the seconds that its import takes in each process.
            gradients = {part: total(p.grad) / world_size() for part, p in net.named_parameters()}
            found[f"{name}, {kind}"] = (value.detach(), gradients)
    return found


JOBS: dict[str, Callable[[], Any]] = {"gathering": gathering, "contrasting": contrasting}


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
