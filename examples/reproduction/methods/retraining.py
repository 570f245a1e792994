"""cRT: another training's features, and a new classifier for them (Kang et al. 2020, "Decoupling")."""

from __future__ import annotations

from dataclasses import dataclass, field

from reproduction.data.maps import MapSource
from reproduction.methods.frozen import FrozenFeatures
from reproduction.methods.learner import Method, Setting, check_share
from reproduction.methods.sampling import ByClass
from reproduction.methods.supervised import Supervised
from reproduction.training.optimisers import SGD, Adam, AdamW
from reproduction.training.recipe import Recipe


@dataclass(frozen=True)
class Retraining(Method):
    """cRT: the encoder of `first` as it is, with a classifier that starts anew and learns from balanced classes.

    With a mix in `second`, the classifier alone learns from mixed images: a mix that begins when the features are done.

    Args:
        first: how the features are trained.
        second: how the classifier is.
        share: its steps, as a share of the budget; beside those of `first`.
        optimiser: and its rates; None: the recipe's. The authors' is SGD from 0.2 for batches of 512; the default is
            an eighth of it, for 64.
    """

    first: Supervised = field(default_factory=Supervised)
    second: Supervised = field(default_factory=lambda: Supervised(ByClass(0.0)))
    share: float = 0.1
    optimiser: AdamW | Adam | SGD | None = field(default_factory=lambda: SGD(0.025, 5e-4))

    def __post_init__(self) -> None:
        check_share(self.share)

    @property
    def maps(self) -> MapSource | None:
        """Those of the second stage's mix."""
        return self.second.maps

    def check(self, recipe: Recipe, processes: int) -> None:
        """As both stages."""
        self.first.check(recipe, processes)
        self.second.check(recipe, processes)

    def build(self, setting: Setting) -> FrozenFeatures:
        """With a new classifier; BatchNorm's statistics stay."""
        return FrozenFeatures(self.second.network(setting), self.second, setting, shift=False)
