"""TokenMix: rectangles of tokens of the second image in the first, the label by what the maps have in them."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor, nn

from longtail_mix._checks import check_probability, check_whole
from longtail_mix.mixing.draws._top import spread_cells, top
from longtail_mix.mixing.guided._guide import GuidedMix, semantic_share
from longtail_mix.mixing.mix import Pairs
from longtail_mix.mixing.record import MixRecord

__all__ = ["TokenMix"]

BOXES = 16  # that are drawn; nearly always a few of them hold all tokens that are pasted
ASPECT = 0.3  # of the flattest box


class TokenMix(GuidedMix):
    """Tokens of the second image in rectangles of the first, the label by their maps: Liu et al. 2022.

    For a vision transformer with ``tokens x tokens`` patches. Rectangles of random size and shape lie over each other,
    as in the masks of BEiT; their tokens are pasted one rectangle after the other, until it is exactly the share that
    was asked for. With each map divided by its sum, ``r1`` is what the first map has where its image stays, ``r2``
    what the second has where it was pasted. The paper gives the two labels these weights, which do not sum to 1; here
    ``lam = r1 / (r1 + r2)``, and where both are 0 the share of the tokens.

    The paper's maps are the class activations of a trained network; ``GradCAM`` makes such maps.

    Args:
        tokens: to each side, at least 1; they need not divide the image.
        stays: the share of tokens that are the first image's, in [0, 1]; the authors' code has 1/2, less 14 tokens.
        saliency: a module from images to maps of at least 0. Default: :class:`~longtail_mix.SaliencyMap` with `mean`
            and `std`, which is not the paper's.
        mean: per-channel mean the images were normalised with, for the default saliency.
        std: per-channel standard deviation, likewise.

    Shape:
        first [B, 3, H, W], first_labels [B], second [B, 3, H, W], second_labels [B], maps [B, 1, h, w] of both, at
        least 0 -> images [B, 3, H, W], :class:`~longtail_mix.MixedTarget`.

    Raises:
        TypeError, ValueError: options out of range; images, labels or maps that do not fit each other.

    Example:
        >>> from longtail_mix import InBatch, RandomPairing
        >>> images, labels, cams = torch.rand(4, 3, 28, 28), torch.tensor([0, 0, 1, 2]), torch.rand(4, 1, 7, 7)
        >>> images, target = InBatch(TokenMix(tokens=14), RandomPairing())(images, labels, cams)
        >>> target.soft(3).shape
        torch.Size([4, 3])
    """

    def __init__(
        self,
        tokens: int = 14,
        stays: float = 0.5,
        saliency: nn.Module | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(saliency, mean, std)
        check_whole(tokens, "tokens", 1)
        check_probability(stays, "stays")
        self.tokens, self.stays = tokens, stays

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """Rectangles anywhere in the image, and what the maps say of them."""
        pasted = self._pasted(torch.empty((len(pairs.first), BOXES, 4), device=pairs.first.device), generator)
        mask = spread_cells(~pasted.unsqueeze(1), *pairs.first.shape[-2:])
        lam = semantic_share(self.first_map(pairs), mask, self.second_map(pairs), ~mask, mask.float().mean((1, 2, 3)))
        return MixRecord(mask, lam)

    def _pasted(self, draw: Tensor, generator: torch.Generator | None) -> Tensor:
        """Which tokens are the second image's, [B, tokens, tokens]."""
        n = self.tokens
        count = round((1 - self.stays) * n**2)
        area, shape, x, y = draw.uniform_(generator=generator).unbind(2)
        area, shape = 1 + area * max(count - 1, 0), torch.exp((2 * shape - 1) * -log(ASPECT))
        height, width = ((area * of).sqrt().round().clamp(1, n) for of in (shape, 1 / shape))
        inside = [_from(of, side, n) for of, side in ((y, height), (x, width))]
        covers = inside[0].unsqueeze(3) & inside[1].unsqueeze(2)  # [B, BOXES, n, n]
        box = torch.where(covers.any(1), covers.to(torch.int8).argmax(1), BOXES)  # the first that holds a token
        return top(-box.flatten(1), torch.full_like(box[:, 0, 0], count)).view(-1, n, n)


def _from(draw: Tensor, side: Tensor, n: int) -> Tensor:
    """Which of n tokens a side covers, that begins anywhere it fits: draw and side [B, K] -> [B, K, n]."""
    start = (draw * (n - side + 1)).floor().unsqueeze(2)
    token = torch.arange(n, device=draw.device)
    return (token >= start) & (token < start + side.unsqueeze(2))
