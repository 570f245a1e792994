"""OneOf: for each image, or each batch, one of several mixes."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor, nn

from longtail_mix._checks import as_numbers
from longtail_mix.mixing._moves import identity_affine, pixel_grid
from longtail_mix.mixing.mix import Mix, Pairs
from longtail_mix.mixing.record import MixRecord

__all__ = ["OneOf"]


class OneOf(Mix):
    """One of several mixes, drawn by weights for each pair or once for the whole batch; a mix like those it holds.

    Each mix makes its rule for all pairs, and each pair takes the rule of one: so it is one graph, waits for nothing
    and is replayed by a generator, at the price of making every mask. Images are blended once.

    Args:
        mixes: at least one, each a :class:`~longtail_mix.Mix`, also another :class:`OneOf`.
        weights: one for each, at least 0, not all 0. Default: all as likely.
        each_image: whether each pair draws for itself, or one draw decides for the batch.

    Shape:
        As the mixes; maps are handed to those that look at them.

    Raises:
        TypeError, ValueError: no mixes or mixes of another kind, weights that do not fit; and as the mixes.

    Example:
        >>> from longtail_mix import CutMix, InBatch, MixUp, RandomPairing
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> mix = InBatch(OneOf([MixUp(0.8), CutMix(1.0)], weights=[1, 3]), RandomPairing())
        >>> mix(images, labels)[1].soft(3).shape
        torch.Size([4, 3])
    """

    def __init__(self, mixes: Sequence[Mix], weights: Sequence[float] | None = None, each_image: bool = True) -> None:
        super().__init__()
        if not isinstance(mixes, Sequence):
            raise TypeError(f"mixes: expected a sequence of mixes, got {type(mixes).__name__}")
        if not mixes:
            raise ValueError("mixes: expected at least one, got none")
        for mix in mixes:
            if not isinstance(mix, Mix):
                raise TypeError(f"mixes: expected mixes (longtail_mix.Mix), got {type(mix).__name__}")
            if type(mix).prepare is not Mix.prepare:
                raise TypeError(f"mixes: expected mixes that take images as they are, got {type(mix).__name__}")
        weights = [1.0] * len(mixes) if weights is None else as_numbers(weights, "weights").tolist()
        if len(weights) != len(mixes) or not all(isfinite(w) and w >= 0 for w in weights) or not sum(weights):
            raise ValueError(f"weights: expected {len(mixes)} finite numbers of at least 0, not all 0, got {weights}")
        self.mixes = nn.ModuleList(mixes)
        self.takes_volumes = all(mix.takes_volumes for mix in mixes)
        self.weights, self.each_image = tuple(weights), each_image

    def rule(self, pairs: Pairs, generator: torch.Generator | None = None) -> MixRecord:
        """The rule of one mix for each pair."""
        labels = pairs.first_labels
        draw = torch.empty(len(labels) if self.each_image else 1, device=labels.device).uniform_(generator=generator)
        total, upto, chosen = sum(self.weights), 0.0, torch.zeros_like(draw, dtype=torch.int64)
        for weight in self.weights[:-1]:
            upto += weight
            chosen = chosen + (draw * total >= upto)
        chosen = chosen.expand(len(labels))
        records = [mix.rule(pairs, generator) for mix in self.mixes]  # type: ignore[operator]  # a ModuleList has no types
        size = pairs.first.shape[2:]
        shares = [record.share(*size) for record in records]
        mask = _pick(chosen, [share if share.is_floating_point() else share.to(torch.float32) for share in shares])
        lam = _pick(chosen, [record.lam for record in records])
        grid, affine = pixel_grid(size[-2], size[-1], like=lam), identity_affine(lam)
        first = _pick_move(chosen, [(record.first_grid, record.first_affine) for record in records], grid, affine)
        second = _pick_move(chosen, [(record.second_grid, record.second_affine) for record in records], grid, affine)
        return MixRecord(mask, lam, first[0], second[0], None, first[1], second[1])

    def extra_repr(self) -> str:
        """Show the options."""
        return f"weights={self.weights}, each_image={self.each_image}"


def _pick(chosen: Tensor, values: Sequence[Tensor]) -> Tensor:
    """For each image the value of the mix that it drew."""
    picked = values[0]
    for i, value in enumerate(values[1:], 1):
        picked = torch.where((chosen == i).view(-1, *[1] * (value.ndim - 1)), value, picked)
    return picked


def _pick_move(
    chosen: Tensor, moves: Sequence[tuple[Tensor | None, Tensor | None]], stays: Tensor, stays_affine: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """The grid and the affine of one image of each pair; those that leave every place, where its mix has none."""
    if all(grid is None for grid, _ in moves):
        return None, None
    grid = _pick(chosen, [stays if grid is None else grid for grid, _ in moves])
    if any(grid is not None and affine is None for grid, affine in moves):  # of a mix that does not say where to
        return grid, None
    return grid, _pick(chosen, [stays_affine if affine is None else affine for _, affine in moves])
