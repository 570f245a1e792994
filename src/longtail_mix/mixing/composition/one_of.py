"""OneOf: for each image, or each batch, one of several mixes."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor, nn

from longtail_mix._checks import as_numbers
from longtail_mix.mixing.mix import Mix, Pairs
from longtail_mix.mixing.record import MixRecord, identity_grid

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
        height, width = pairs.first.shape[-2:]
        of_pixel = chosen.view(-1, 1, 1, 1)
        moves = any(r.first_grid is not None for r in records), any(r.second_grid is not None for r in records)
        whole = records[0].lam.new_empty(1, height, width, 2)
        result = _dense(records[0], height, width, moves, whole)
        for i, record in enumerate(records[1:], 1):
            other, here = _dense(record, height, width, moves, whole), of_pixel == i
            result = MixRecord(
                torch.where(here, other.mask, result.mask),
                torch.where(chosen == i, other.lam, result.lam),
                _pick(here, other.first_grid, result.first_grid),
                _pick(here, other.second_grid, result.second_grid),
            )
        return result

    def extra_repr(self) -> str:
        """Show the options."""
        return f"weights={self.weights}, each_image={self.each_image}"


def _dense(record: MixRecord, height: int, width: int, moves: tuple[bool, bool], like: Tensor) -> MixRecord:
    """A record on the grid of pixels, floating point, with a grid for each image that any mix moves."""
    mask = record.share(height, width)
    mask = mask if mask.is_floating_point() else mask.to(torch.float32)
    stays = identity_grid(like).expand(len(mask), -1, -1, -1)
    first, second = record.first_grid, record.second_grid
    return MixRecord(
        mask,
        record.lam,
        stays if first is None and moves[0] else first,
        stays if second is None and moves[1] else second,
    )


def _pick(here: Tensor, one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return None if one is None or other is None else torch.where(here, one, other)
