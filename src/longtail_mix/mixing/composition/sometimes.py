"""A mix for some of the images only."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from longtail_mix._checks import check_generator, check_probability
from longtail_mix.mixing._pairs import only_where
from longtail_mix.targets import MixedTarget

__all__ = ["Sometimes"]


class Sometimes(nn.Module):
    """Mix each pair with a given probability; the other first images come back as they were, with ``lam = 1``.

    It is a mix like the one it holds, and so fits wherever that one does. It is drawn for each pair, not for the batch.

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
        mixed, target = self.mix(first, first_labels, second, second_labels, *maps, generator=generator)
        check_generator(generator, first.device)
        draw = torch.empty(first_labels.shape, device=first.device).uniform_(generator=generator)
        return only_where(draw < self.probability, first, first_labels, mixed, target)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"probability={self.probability}"
