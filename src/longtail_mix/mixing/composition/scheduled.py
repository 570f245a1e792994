"""A mix whose probability follows the epoch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from longtail_mix._checks import check_callable, check_probability
from longtail_mix.mixing.composition.sometimes import Sometimes
from longtail_mix.mixing.record import MixRecord
from longtail_mix.schedule import EpochSchedule
from longtail_mix.targets import MixedTarget

__all__ = ["Scheduled"]


class Scheduled(EpochSchedule):
    """Mix each pair with a probability that follows the epoch: ramped up, or switched off for the last epochs.

    ``set_epoch(mix, epoch)`` says which epoch begins, also where this is inside an :class:`~longtail_mix.InBatch`;
    the epoch is in the ``state_dict``. Compiled, a new probability needs no new graph.

    Args:
        mix: any mix of pairs.
        probability: from the epoch, 0 for the first, to a probability in [0, 1].

    Shape:
        As `mix`.

    Raises:
        TypeError, ValueError: a probability out of range, when its epoch begins; and as `mix`.

    Example:
        >>> from longtail_mix import CutMix, InBatch, RandomPairing, set_epoch
        >>> mix = InBatch(Scheduled(CutMix(), lambda epoch: 1.0 if epoch < 90 else 0.0), RandomPairing())
        >>> images, labels = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2])
        >>> set_epoch(mix, 95)
        >>> torch.equal(mix(images, labels)[0], images)
        True
    """

    def __init__(self, mix: nn.Module, probability: Callable[[int], float]) -> None:
        super().__init__()
        check_callable(probability, "probability", "a function from the epoch to a probability")
        self.probability = probability
        self.sometimes = Sometimes(mix, 0.0)
        self._now = torch.zeros(())  # a tensor, of whose value a compiled graph makes no constant
        self.sometimes.probability = self._now  # type: ignore[assignment]  # compares with a draw as a number does
        self.epoch_changed()

    def epoch_changed(self) -> None:
        """Ask for the probability of this epoch."""
        probability = self.probability(self.epoch)
        check_probability(probability)
        self._now.fill_(probability)

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
        return self.sometimes(first, first_labels, second, second_labels, *maps, generator=generator)

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
        return self.sometimes.with_record(first, first_labels, second, second_labels, *maps, generator=generator)
