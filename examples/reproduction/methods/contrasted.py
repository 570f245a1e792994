"""Features by supervised contrast alone (Khosla et al. 2020); :class:`Retraining` makes the classifier for them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix import SupervisedContrastiveLoss
from reproduction.methods.learner import Learner, Method, Setting
from reproduction.methods.sampling import Natural
from reproduction.networks.network import Network
from reproduction.training.batch import Batch, Needs


@dataclass(frozen=True)
class Contrasted(Method):
    """The encoder learns from the contrast of two views of the images as they come, and from nothing else.

    That the training can be looked at, a linear classifier learns beside it from the first views' features; none of its
    gradient reaches the encoder.

    Args:
        temperature: of the contrast.
        width: of what is compared.
    """

    temperature: float = 0.1
    width: int = 128

    def build(self, setting: Setting) -> ContrastedLearner:
        """A network with a projection."""
        return ContrastedLearner(self.width, self.temperature, setting)


class ContrastedLearner(Learner):
    """A network whose classifier only looks on.

    Args:
        width: of what is compared.
        temperature: of the contrast.
        setting: of the training.
    """

    def __init__(self, width: int, temperature: float, setting: Setting) -> None:
        super().__init__()
        encoder = setting.backbone.build(setting.size)
        self.network = Network(encoder, len(setting.class_counts), width)
        self.contrast = SupervisedContrastiveLoss(temperature)
        self.needs = Needs(Natural(), views=2)

    def forward(self, batch: Batch) -> Tensor:
        """The contrast, and the cross entropy of who looks on."""
        labels = batch.labelled.labels
        features = self.network.features(torch.cat(batch.labelled.views))
        contrast: Tensor = self.contrast(self.network.project(features), labels.repeat(2))
        return contrast + F.cross_entropy(self.network.classifier(features[: len(labels)].detach()), labels)

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        logits: Tensor = self.network(images)
        return logits
