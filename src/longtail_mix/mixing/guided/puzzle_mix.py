"""PuzzleMix: a mask of blocks that loses little saliency, and salient blocks moved to where the mask shows them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtail_mix._checks import check_not_negative, check_positive, check_whole
from longtail_mix.mixing.draws import draw_lam
from longtail_mix.mixing.guided._block_transport import blocks_grid, exchange_blocks, transport_cost
from longtail_mix.mixing.guided._guide import GuidedMix
from longtail_mix.mixing.guided._puzzle_mask import puzzle_energy, puzzle_mask
from longtail_mix.mixing.mix import Pairs
from longtail_mix.mixing.record import MixRecord

__all__ = ["PuzzleMix"]

ROUNDS = 8  # of exchanges; more change next to nothing, see docs/operators.md


class PuzzleMix(GuidedMix):
    """Blocks of both images where they are salient, and salient blocks moved to where they show: Kim et al. 2020.

    For the shares z of the first image in ``blocks x blocks`` blocks, each one of `levels` even steps from 0 to 1, with
    s1 and s2 the saliency of the blocks, each divided by its sum, it looks for the least of::

        sum over blocks      (1 - z) s1 + z s2 - eta / blocks**2 * log(Binomial(levels - 1, lam) of z)
        + over neighbours    beta / (16 blocks) * ((z_i - z_j)**2 + gamma * d(z_i, z_j))

    with d the mean difference of the pixels on both sides of their border, as images that show blocks with these
    shares would have it. Then each image's blocks change places: block i comes to place j at the cost of
    ``xi * distance(i, j) ** 2 - s_i * z_j`` (for the second image 1 - z), and each place gets one block.

    The paper finds the mask by graph cuts, one image after the other; here it is found for the whole batch at once by
    mean-field annealing, and docs/operators.md says how near both come to the optimum. The paper's saliency is the
    gradient of the loss; any map can take its place. Masks can be carried along; boxes and points only where no blocks
    move.

    Args:
        blocks: to each side, at least 1; they have to divide the image. The paper draws 2, 4, 8 or 16 for each batch,
            which is a :class:`~longtail_mix.OneOf` here.
        levels: of the shares, at least 2; 3 in the paper.
        alpha: of the Beta distribution that lam comes from, which the prior asks for, above 0; 1 in the paper.
        beta: of smooth masks, at least 0; 1.2 in the paper, as the three below for CIFAR-100.
        gamma: of borders that do not show, at least 0; 0.5 in the paper.
        eta: of the prior, at least 0; 0.2 in the paper.
        xi: of moving blocks far, at least 0; 0.8 in the paper. None leaves them where they are.
        saliency: a module from images to maps of at least 0. Default: :class:`~longtail_mix.SaliencyMap` with `mean`
            and `std`.
        mean: per-channel mean the images were normalised with, for the default saliency.
        std: per-channel standard deviation, likewise.

    Shape:
        first [B, 3, H, W], first_labels [B], second [B, 3, H, W], second_labels [B], and maps [B, 1, h, w] of both, at
        least 0, if computed before -> images [B, 3, H, W], :class:`~longtail_mix.MixedTarget`, `lam` the mean share.

    Raises:
        TypeError, ValueError: options out of range; images that the blocks do not divide; images, labels or maps that
            do not fit each other.

    Example:
        >>> first, second = torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
        >>> maps = torch.zeros(2, 1, 1, 4, 4)
        >>> maps[0, ..., :2], maps[1, ..., 2:] = 1, 1  # the left half of one, the right half of the other
        >>> mixed, target = PuzzleMix(blocks=2, eta=0.0)(first, torch.tensor([0]), second, torch.tensor([1]), *maps)
        >>> mixed[0, 0, 0], target.lam
        (tensor([1., 1., 0., 0.]), tensor([0.5000]))
    """

    def __init__(
        self,
        blocks: int = 8,
        levels: int = 3,
        alpha: float = 1.0,
        beta: float = 1.2,
        gamma: float = 0.5,
        eta: float = 0.2,
        xi: float | None = 0.8,
        saliency: nn.Module | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(saliency, mean, std)
        check_whole(blocks, "blocks", 1)
        check_whole(levels, "levels", 2)
        check_positive(alpha, "alpha")
        for value, name in ((beta, "beta"), (gamma, "gamma"), (eta, "eta"), (0.0 if xi is None else xi, "xi")):
            check_not_negative(value, name)
        self.blocks, self.levels, self.alpha = blocks, levels, alpha
        self.beta, self.gamma, self.eta, self.xi = beta, gamma, eta, xi

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """The mask, then the places of the blocks under it."""
        height, width = pairs.first.shape[-2:]
        if height % self.blocks or width % self.blocks:
            raise ValueError(f"first: expected sides that {self.blocks} blocks divide, got {height}x{width}")
        lam = draw_lam(pairs.first_labels, self.alpha, generator)
        s1, s2 = (self.of_blocks(of) for of in (self.first_map(pairs), self.second_map(pairs)))
        images = in_unit(pairs.first.detach(), pairs.second.detach())
        energy = puzzle_energy(*images, s1, s2, lam, self.levels, self.beta, self.gamma, self.eta)
        share = puzzle_mask(energy)
        record = MixRecord(share.unsqueeze(1), share.mean((1, 2)).to(torch.float32))
        if self.xi is None:
            return record
        moves = (exchange_blocks(transport_cost(*of, self.xi), ROUNDS) for of in ((s1, share), (s2, 1 - share)))
        first_grid, second_grid = (blocks_grid(of_place, self.blocks, height, width) for of_place in moves)
        return record._replace(first_grid=first_grid, second_grid=second_grid)

    def of_blocks(self, of: Tensor) -> Tensor:
        """The saliency of each block [B, blocks, blocks], 1 in all; even where nothing is salient."""
        of = of.detach().to(torch.promote_types(of.dtype, torch.float32))
        means = F.adaptive_avg_pool2d(of, self.blocks).squeeze(1)
        total = means.sum((1, 2), keepdim=True)
        return torch.where(total > 0, means / torch.where(total > 0, total, 1), 1 / self.blocks**2)


def in_unit(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of images between 0 and 1, whatever they were normalised with."""
    dtype = torch.promote_types(first.dtype, torch.float32)
    both = torch.stack([first, second], 1).to(dtype)
    low, high = (edge(both, dim=(1, 2, 3, 4), keepdim=True) for edge in (torch.amin, torch.amax))
    unit = (both - low) / torch.where(high > low, high - low, 1)
    return unit[:, 0], unit[:, 1]
