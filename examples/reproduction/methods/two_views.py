"""One network that sees two views of each image, with gradients to both: BCL."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from reproduction.criteria.contrastive import BCL, Contrasts, SupCon, prior_of
from reproduction.methods.learner import Learner, Method, Setting
from reproduction.methods.sampling import ByClass, Natural
from reproduction.networks.network import Network
from reproduction.training.batch import Batch, Needs


@dataclass(frozen=True)
class TwoViews(Method):
    """Both views are anchors and contrasts; the classifier learns from the first. With its defaults BCL.

    BCL's authors classify one view and contrast two others; here the first of two views does both, which is two thirds
    of the work.

    Args:
        sampling: where the labels come from.
        contrast: the loss; with a prior where that stream is not balanced.
        width: of what is compared.
    """

    sampling: Natural | ByClass = field(default_factory=Natural)
    contrast: BCL | SupCon = field(default_factory=BCL)
    width: int = 128

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width: expected at least 1, got {self.width}")

    def build(self, setting: Setting) -> TwoViewsLearner:
        """One network with a projection."""
        return TwoViewsLearner(self, setting)


class TwoViewsLearner(Learner):
    """A network and its loss."""

    def __init__(self, method: TwoViews, setting: Setting) -> None:
        super().__init__()
        counts = setting.class_counts
        encoder = setting.backbone.build(setting.size)
        self.network = Network(encoder, len(counts), method.width, method.contrast.prototypes)
        self.objective = method.contrast.build(prior_of(method.sampling.counts(counts)))
        self.needs = Needs(method.sampling, views=2)

    def forward(self, batch: Batch) -> Tensor:
        """The objective of both views; the classifier's part is on the first."""
        labels, network = batch.labelled.labels, self.network
        features = network.features(torch.cat(batch.labelled.views))
        logits = network.classifier(features[: len(labels)])
        prototypes = None if network.prototype_projection is None else network.prototypes()
        loss: Tensor = self.objective(network.project(features), logits, labels, Contrasts(prototypes=prototypes))
        return loss

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        logits: Tensor = self.network(images)
        return logits
