"""A first training, and a second one that goes on from its weights with a sampling, a mix and a loss of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from reproduction.data.maps import MapSource
from reproduction.methods.learner import Method, check_share
from reproduction.methods.sampling import ByClass
from reproduction.methods.supervised import Supervised
from reproduction.training.optimisers import SGD, Adam, AdamW
from reproduction.training.recipe import Recipe


@dataclass(frozen=True)
class TwoStages(Method):
    """What methods of two stages have in common.

    Args:
        first: the first stage.
        second: the second.
        share: the second's steps, as a share of the budget; beside those of the first.
        optimiser: of the second; None: the recipe's.
    """

    first: Method = field(default_factory=Supervised)
    second: Supervised = field(default_factory=lambda: Supervised(ByClass(0.0)))
    share: float = 0.1
    optimiser: AdamW | Adam | SGD | None = field(default_factory=lambda: SGD(0.025, 5e-4))

    def __post_init__(self) -> None:
        check_share(self.share)

    @property
    def maps(self) -> MapSource | None:
        """Those of the second stage's mix, where it has one."""
        return self.second.maps

    def check(self, recipe: Recipe, processes: int) -> None:
        """As both stages."""
        self.first.check(recipe, processes)
        self.second.check(recipe, processes)
