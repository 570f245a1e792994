"""How near PuzzleMix comes to the best mask and the best moves, on pairs of images.

The best mask is found exactly, block by block over all shares of one row of blocks (dynamic programming), which is
possible up to 8 blocks a side; the best moves by the Hungarian method of SciPy. Beside ours: the mask that each block
alone would choose, iterated conditional modes (each block set to its best share given its neighbours, 20 times), and
the exchange of blocks as the paper has it. Maps are those of SkinContrastSaliency. Pairs as in mix-fidelity.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from benchmarks.fidelity_data import READERS, available
from benchmarks.mix_fidelity import maps_of
from longtail_mix import PuzzleMix, SkinContrastSaliency
from longtail_mix.mixing.guided._block_transport import exchange_blocks, transport_cost
from longtail_mix.mixing.guided._puzzle_mask import Energy, puzzle_energy, puzzle_mask
from longtail_mix.mixing.guided.puzzle_mix import ROUNDS, in_unit

SUMMARY = "how near PuzzleMix comes to the best mask and the best moves"


def best_energy(energy: Energy) -> Tensor:
    """The least energy [B] of all masks, in float64."""
    return torch.stack([_best_of_pair(Energy(*(part[i].double() for part in energy))) for i in range(len(energy.cost))])


def _best_of_pair(energy: Energy) -> Tensor:
    rows, columns, levels = energy.cost.shape
    share = torch.linspace(0, 1, levels, dtype=torch.float64)
    product = share.unsqueeze(1) * share
    least = torch.zeros((levels,) * columns, dtype=torch.float64)  # of all above, by the lowest share in each column
    for y in range(rows):
        for x in range(columns):
            step = energy.cost[y, x].expand(levels, -1)
            if y:
                step = step + energy.down[y - 1, x] * product
            least = (least.movedim(x, -1).unsqueeze(-1) + step).amin(-2).movedim(-1, x)
            if x:
                beside = energy.right[y, x - 1] * product
                least = least + beside.view([1] * (x - 1) + [levels, levels] + [1] * (columns - 1 - x))
    return least.min()


def alone(energy: Energy) -> Tensor:
    """Each block's own best share [B, n, n]."""
    return energy.cost.argmin(-1) / (energy.cost.shape[-1] - 1)


def conditional_modes(energy: Energy, sweeps: int = 20) -> Tensor:
    """Shares of which none can be better given its neighbours."""
    return puzzle_mask(energy, sweeps, hottest=1e-9, coldest=1e-9)


def papers_exchange(cost: Tensor) -> Tensor:
    """Each block asks for its cheapest place, each place keeps the cheapest, others ask elsewhere: [N, N] -> [N]."""
    cost, every = cost.clone(), torch.arange(len(cost))
    while True:
        asks = torch.full_like(cost, torch.inf)
        place = cost.argmin(1)
        asks[every, place] = cost[every, place]
        refused = asks.isfinite() & (asks.argmin(0) != every.unsqueeze(1))
        if not refused.any():
            return place.argsort()
        cost[refused] = torch.inf


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", choices=tuple(READERS), help="default: the first that the environment points at")
    parser.add_argument("--images", type=int, default=300, help="so many, drawn at random (%(default)s)")
    parser.add_argument("--size", type=int, default=224, help="pixels a side (%(default)s), a multiple of 16")
    parser.add_argument("--seed", type=int, default=0)


@torch.inference_mode()
def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    from scipy.optimize import linear_sum_assignment

    data = READERS[options.data or available()[0]](options.size, options.images, options.seed)
    maps = maps_of(SkinContrastSaliency(), data.images, 16)
    first, second = in_unit(data.images[data.tail], data.images[data.head])
    lam = torch.rand(len(first), generator=torch.Generator().manual_seed(options.seed))
    print(f"{data.name}, {len(first)} pairs\n")
    print("| blocks | levels | mask of | mean gap, % | largest, % | at the optimum, % |\n|" + " --- |" * 6)
    finders = {"each block alone": alone, "conditional modes": conditional_modes, "ours": puzzle_mask}
    moves = []
    for blocks, levels in ((4, 3), (8, 2), (8, 3)):
        mix = PuzzleMix(blocks, levels)
        s1, s2 = mix.of_blocks(maps[data.tail]), mix.of_blocks(maps[data.head])
        energy = puzzle_energy(first, second, s1, s2, lam, levels, mix.beta, mix.gamma, mix.eta)
        best = best_energy(energy)
        for name, find in finders.items():
            gap = (energy.of(find(energy)) - best) / best.abs() * 100
            row = f"{gap.mean():.2f} | {gap.max():.1f} | {(gap < 1e-3).double().mean() * 100:.0f}"
            print(f"| {blocks} | {levels} | {name} | {row} |")
        moves.append((blocks, levels, transport_cost(s1, puzzle_mask(energy), 0.8)))
    print("\n| blocks | levels | nothing moves | the paper's exchange | ours | the best |\n|" + " --- |" * 6)
    for blocks, levels, cost in moves:
        hungarian = torch.stack([torch.as_tensor(linear_sum_assignment(c.T.numpy())[1]) for c in cost])
        places = torch.arange(blocks**2).expand(len(cost), -1)
        each = (places, torch.stack([papers_exchange(c) for c in cost]), exchange_blocks(cost, ROUNDS), hungarian)
        totals = [cost.gather(1, of_place.unsqueeze(1)).sum((1, 2)).mean() for of_place in each]
        print(f"| {blocks} | {levels} | " + " | ".join(f"{value:.4f}" for value in totals) + " |")
