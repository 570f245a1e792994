"""The mask of PuzzleMix: its energy over a grid of blocks, and the shares that make it small."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Energy(NamedTuple):
    """``sum of cost[i, z_i] + sum over neighbours of weight[i, j] * z_i * z_j``, the shares z_i from 0 to 1.

    cost [B, n, m, L] for L even levels; right [B, n, m - 1] and down [B, n - 1, m] are the weights.
    """

    cost: Tensor
    right: Tensor
    down: Tensor

    def of(self, share: Tensor) -> Tensor:
        """The energy [B] of shares [B, n, m]."""
        level = (share * (self.cost.shape[-1] - 1)).round().long()
        alone = self.cost.gather(-1, level.unsqueeze(-1)).sum((1, 2, 3))
        beside = (self.right * share[:, :, 1:] * share[:, :, :-1]).sum((1, 2))
        return alone + beside + (self.down * share[:, 1:] * share[:, :-1]).sum((1, 2))


def puzzle_energy(
    first: Tensor,
    second: Tensor,
    first_saliency: Tensor,
    second_saliency: Tensor,
    lam: Tensor,
    levels: int,
    beta: float,
    gamma: float,
    eta: float,
) -> Energy:
    """What the paper's mask minimises: saliency that is lost, label and data smoothness, the prior of `lam`.

    For images [B, C, H, W] with values in [0, 1] and saliency [B, n, n] whose sum is 1.
    """
    blocks = first_saliency.shape[-1]
    share = torch.linspace(0, 1, levels, dtype=first_saliency.dtype, device=lam.device)
    lost = (1 - share) * first_saliency.unsqueeze(-1) + share * second_saliency.unsqueeze(-1)
    cost = lost - eta / blocks**2 * log_binomial(lam.to(share.dtype), levels)[:, None, None]
    smooth = beta / (16 * blocks)  # the authors' scale
    down = _border(first, second, blocks, smooth, gamma)
    right = _border(first.mT, second.mT, blocks, smooth, gamma)
    for cells, border in ((cost, down), (cost.transpose(1, 2), right)):
        cells[:, :-1] += share * border.before.unsqueeze(-1) + smooth * share.square()
        cells[:, 1:] += share * border.after.unsqueeze(-1) + smooth * share.square()
    return Energy(cost, right.weight.mT, down.weight)


class _Border(NamedTuple):
    """What neighbours cost beside their squares: ``weight * z_i z_j + before * z_i + after * z_j``."""

    weight: Tensor
    before: Tensor
    after: Tensor


def _border(first: Tensor, second: Tensor, blocks: int, smooth: float, gamma: float) -> _Border:
    """Label and data smoothness of each block i and the block j below it, [B, n - 1, n].

    ``smooth * ((z_i - z_j)^2 + gamma * d)`` without squares and constant, where d has one term of each of four images:
    ``z_i z_j d11 + z_i (1 - z_j) d10 + (1 - z_i) z_j d01 + (1 - z_i) (1 - z_j) d00``, as d10 is the mean difference of
    the pixels along the border when block i is of the first image and block j of the second.
    """
    side = first.shape[-2] // blocks
    above = [of[:, :, side - 1 : -1 : side] for of in (second, first)]
    below = [of[:, :, side::side] for of in (second, first)]
    (d00, d01), (d10, d11) = (
        [(i - j).abs().mean(1).unflatten(-1, (blocks, -1)).mean(-1) for j in below] for i in above
    )
    data = smooth * gamma
    return _Border(data * (d11 + d00 - d10 - d01) - 2 * smooth, data * (d10 - d00), data * (d01 - d00))


def log_binomial(lam: Tensor, levels: int) -> Tensor:
    """The logarithm of the chances [B, levels] of each level, binomial with the mean `lam` [B]."""
    count, most = torch.arange(levels, device=lam.device, dtype=lam.dtype), levels - 1
    ways = torch.lgamma(torch.full_like(count, levels)) - torch.lgamma(count + 1) - torch.lgamma(most - count + 1)
    lam = lam.clamp(1e-6, 1 - 1e-6).unsqueeze(1)
    return ways + count * lam.log() + (most - count) * (1 - lam).log()


def puzzle_mask(energy: Energy, sweeps: int = 20, hottest: float = 1.0, coldest: float = 0.01) -> Tensor:
    """Shares [B, n, m] that make the energy small, by mean-field annealing on a chequerboard.

    Blocks of one colour have no neighbours among themselves: all are set at once to the mean share under
    ``softmax(-energy / temperature)``, given those of the other colour; the temperature falls from `hottest` to
    `coldest` times the saliency of a block where it is even.
    """
    rows, columns, levels = energy.cost.shape[1:]
    share = torch.linspace(0, 1, levels, dtype=energy.cost.dtype, device=energy.cost.device)
    row, column = (torch.arange(n, device=share.device) for n in (rows, columns))
    is_even = (row.unsqueeze(1) + column) % 2 == 0
    mean = torch.full_like(energy.cost[..., 0], 0.5)
    for step in range(2 * sweeps):
        pull = torch.zeros_like(mean)
        pull[:, :, :-1] += energy.right * mean[:, :, 1:]
        pull[:, :, 1:] += energy.right * mean[:, :, :-1]
        pull[:, :-1] += energy.down * mean[:, 1:]
        pull[:, 1:] += energy.down * mean[:, :-1]
        temperature = hottest * (coldest / hottest) ** (step / (2 * sweeps - 1)) / (rows * columns)
        chances = (-(energy.cost + share * pull.unsqueeze(-1)) / temperature).softmax(-1)
        mean = torch.where(is_even == (step % 2 == 0), (chances * share).sum(-1), mean)
    return (mean * (levels - 1)).round() / (levels - 1)
