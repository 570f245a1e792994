"""cRT: another training's features, and a new classifier for them (Kang et al. 2020, "Decoupling")."""

from __future__ import annotations

from dataclasses import dataclass, field

from reproduction.methods.contrasted import Contrasted
from reproduction.methods.frozen import FrozenFeatures
from reproduction.methods.learner import Setting
from reproduction.methods.supervised import Supervised
from reproduction.methods.two_stages import TwoStages


@dataclass(frozen=True)
class Retraining(TwoStages):
    """cRT: the encoder of `first` as it is, with a classifier that starts anew and learns from balanced classes.

    With a mix in `second`, the classifier alone learns from mixed images: a mix that begins when the features are done.

    Args:
        first: how the features are trained; by contrast, this is the second stage of SupCon.
        second: how the classifier is.
        share: its steps, as a share of the budget; beside those of `first`.
        optimiser: and its rates; None: the recipe's. The authors' is SGD from 0.2 for batches of 512; the default is
            an eighth of it, for 64.
    """

    first: Supervised | Contrasted = field(default_factory=Supervised)

    def build(self, setting: Setting) -> FrozenFeatures:
        """With a new classifier; BatchNorm's statistics stay."""
        return FrozenFeatures(self.second.network(setting), self.second, setting, shift=False)
