"""A mix for some of the images only."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from longtail_mix._checks import check_callable, check_generator, check_probability
from longtail_mix._module import Module
from longtail_mix.mixing._pairs import check_maps, check_pairs, only_where
from longtail_mix.mixing.mix import mix_with_record
from longtail_mix.mixing.record import MixRecord, unmixed
from longtail_mix.targets import MixedTarget

__all__ = ["Sometimes"]


class Sometimes(Module):
    """Mix each pair with a given probability; the other first images come back as they were, with ``lam = 1``.

    It is a mix like the one it holds, and so fits wherever that one does. It is drawn for each pair, not for the batch.
    In evaluation mode none is mixed.

    Args:
        mix: any mix of pairs, as :class:`~longtail_mix.CutMix`.
        probability: in [0, 1].

    Shape:
        As `mix`.

    Raises:
        TypeError, ValueError: a probability out of range; and as `mix`.

    Example:
        >>> from longtail_mix import CutMix
        >>> first, second = torch.zeros(4, 3, 8, 8), torch.ones(4, 3, 8, 8)
        >>> labels, other = torch.tensor([0, 0, 0, 1]), torch.tensor([2, 2, 1, 2])
        >>> images, target = Sometimes(CutMix(), probability=0.5)(first, labels, second, other)
        >>> images.shape, target.lam.shape
        (torch.Size([4, 3, 8, 8]), torch.Size([4]))
    """

    def __init__(self, mix: nn.Module, probability: float) -> None:
        super().__init__()
        check_callable(mix, "mix", "a module that mixes two images")
        check_probability(probability)
        self.mix = mix
        self.probability = probability

    def forward(
        self,
        first: Tensor,
        first_labels: Tensor,
        second: Tensor,
        second_labels: Tensor,
        *maps: Tensor | None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, MixedTarget]:
        """Mix some of the pairs; `maps` are handed on to the mix."""
        check_pairs(first, first_labels, second, second_labels, volumes=True)
        if not self.training:
            return first, MixedTarget.hard(first_labels)
        for one in maps:
            if one is not None:
                check_maps(one, first, "maps")
        mixed, target = self.mix(first, first_labels, second, second_labels, *maps, generator=generator)
        chosen = self.draw(first_labels, generator)
        return only_where(chosen, first, first_labels, mixed, target)

    def with_record(
        self,
        first: Tensor,
        first_labels: Tensor,
        second: Tensor,
        second_labels: Tensor,
        *maps: Tensor | None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, MixedTarget, MixRecord]:
        """The same from the same draws, and what was mixed; for a mix that keeps a record."""
        if not self.training:
            return (*self(first, first_labels, second, second_labels), unmixed(first))
        pairs = (first, first_labels, second, second_labels, *maps)
        mixed, target, record = mix_with_record(self.mix, *pairs, generator=generator)
        chosen = self.draw(first_labels, generator)
        return (*only_where(chosen, first, first_labels, mixed, target), record.only_where(chosen))

    def draw(self, labels: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Which of the pairs are mixed, [B] bool."""
        check_generator(generator, labels.device)
        return torch.empty(labels.shape[:1], device=labels.device).uniform_(generator=generator) < self.probability

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"probability={self.probability}"
