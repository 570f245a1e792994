"""How near PuzzleMix comes to the best mask and the best moves, on pairs of images.

The best mask is found exactly, block by block over all shares of one row of blocks (dynamic programming), which is
possible up to 8 blocks a side; the best moves by the Hungarian method of SciPy. Beside ours: the mask that each block
alone would choose, iterated conditional modes (each block set to its best share given its neighbours, 20 times), and
the exchange of blocks as the paper has it. Maps are those of SkinContrastSaliency. Pairs as in
mix-fidelity. Writes puzzle.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.fidelity_data import READERS, available
from benchmarks.metadata import describe_run
from benchmarks.mix_fidelity import maps_of
from longtail_mix import PuzzleMix, SkinContrastSaliency
from longtail_mix.mixing.guided._block_transport import exchange_blocks, transport_cost
from longtail_mix.mixing.guided._puzzle_mask import Energy, puzzle_energy, puzzle_mask
from longtail_mix.mixing.guided.puzzle_mix import ROUNDS, in_unit
from reproduction.training.atomic_files import write_text

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
    parser.add_argument("--out", type=Path, default=Path("runs/puzzle"))


@torch.inference_mode()
def run(options: argparse.Namespace) -> None:
    """Measure, print, write puzzle.json."""
    data = READERS[options.data or available()[0]](options.size, options.images, options.seed)
    maps = maps_of(SkinContrastSaliency(), data.images, 16)
    first, second = in_unit(data.images[data.tail], data.images[data.head])
    lam = torch.rand(len(first), generator=torch.Generator().manual_seed(options.seed))
    masks, moves = [], []
    for blocks, levels in ((4, 3), (8, 2), (8, 3)):
        mix, grid = PuzzleMix(blocks, levels), {"blocks": blocks, "levels": levels}
        s1, s2 = mix.of_blocks(maps[data.tail]), mix.of_blocks(maps[data.head])
        energy = puzzle_energy(first, second, s1, s2, lam, levels, mix.beta, mix.gamma, mix.eta)
        masks += [{**grid, "mask of": name, **gap} for name, gap in gaps(energy).items()]
        moves.append({**grid, **mean_costs(transport_cost(s1, puzzle_mask(energy), 0.8))})
    report = {
        **describe_run(torch.device("cpu")),
        "data": data.name,
        "pairs": len(first),
        "setting": {name: getattr(options, name) for name in ("images", "size", "seed")},
        "masks": masks,
        "moves": moves,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    write_text(options.out / "puzzle.json", json.dumps(report, indent=1) + "\n")
    print(f"{data.name}, {len(first)} pairs\n\n{markdown(masks)}\n{markdown(moves)}")


def gaps(energy: Energy) -> dict[str, dict[str, float]]:
    """How far each way to a mask is from the best, in percent of the least energy."""
    best, rows = best_energy(energy), {}
    for name, find in {"each block alone": alone, "conditional modes": conditional_modes, "ours": puzzle_mask}.items():
        gap = (energy.of(find(energy)) - best) / best.abs() * 100
        at_best = (gap < 1e-3).double().mean() * 100
        rows[name] = {
            "mean gap, %": round(gap.mean().item(), 2),
            "largest, %": round(gap.max().item(), 1),
            "at the optimum, %": round(at_best.item()),
        }
    return rows


def mean_costs(cost: Tensor) -> dict[str, float]:
    """The mean total [B] of costs [B, N, N] by each way to places."""
    from scipy.optimize import linear_sum_assignment

    ways = {
        "nothing moves": torch.arange(cost.shape[-1]).expand(len(cost), -1),
        "the paper's exchange": torch.stack([papers_exchange(of_pair) for of_pair in cost]),
        "ours": exchange_blocks(cost, ROUNDS),
        "the best": torch.stack([torch.as_tensor(linear_sum_assignment(of_pair.T.numpy())[1]) for of_pair in cost]),
    }
    return {
        name: round(cost.gather(1, of_place.unsqueeze(1)).sum((1, 2)).mean().item(), 4)
        for name, of_place in ways.items()
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """A table."""
    lines = [f"| {' | '.join(rows[0])} |", "|" + " --- |" * len(rows[0])]
    return "\n".join(lines + [f"| {' | '.join(map(str, row.values()))} |" for row in rows]) + "\n"
