"""Supervised training whose mix happens inside the network, at the output of a layer."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from reproduction.methods.learner import Setting
from reproduction.methods.supervised import Supervised, SupervisedLearner
from reproduction.mixes.patch_swap import PatchSwap
from reproduction.networks.network import check_layer
from reproduction.training.batch import Batch
from reproduction.training.recipe import Recipe


@dataclass(frozen=True)
class Inside(Supervised):
    """A sampling, a mix of features and a loss.

    Args:
        mix: by a share for each patch; the labels stay.
        layer: of the encoder; what it gives is mixed.
    """

    mix: PatchSwap = field(default_factory=PatchSwap)
    layer: str = "blocks.2"

    def check(self, recipe: Recipe, processes: int) -> None:
        """Whether the network has such a layer, and its grid fits that of the patches."""
        super().check(recipe, processes)
        check_layer(recipe.backbone, recipe.views.size, self.layer, self.mix.ratio.patch_size)

    def build(self, setting: Setting) -> InsideLearner:
        """A network that is trained whole."""
        return InsideLearner(self.network(setting), self, setting)


class InsideLearner(SupervisedLearner):
    """A network that learns a loss of features that may be mixed."""

    method: Inside

    def forward(self, batch: Batch) -> Tensor:
        """The criterion of the batch."""
        if self.mix is None or batch.partners is None:
            return super().forward(batch)
        labelled, partners = batch.labelled, batch.partners
        shares = self.method.mix.shares(labelled, partners, batch.draws, self.setting.class_counts)
        features = self.network.mixed_features(labelled.views[0], partners.views[0], shares, self.method.layer)
        loss: Tensor = self.criterion(self.network.classifier(features), labelled.labels)
        return loss
