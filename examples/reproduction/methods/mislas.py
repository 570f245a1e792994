"""MiSLAS: features by mixup first, then a classifier on frozen features that is less sure of the frequent classes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from framework_batch import Batch, Needs, balanced, natural
from framework_methods import Method
from framework_networks import Network
from torch import Tensor, nn

from longtail_mix import LabelAwareSmoothingLoss
from longtail_mix.functional import mixup


class MiSLAS(Method):
    """Two stages (Zhong et al. 2021, "Improving calibration for long-tailed recognition").

    1. Mixup on the images as they come, with cross entropy. The partners are a second stream of them; the shares are
       uniform in [0, 1] (Beta(1, 1), the authors' choice for CIFAR), one for each image, taken from the noise.
    2. The classes equally often, nothing is mixed, and the encoder is frozen. Label-aware smoothing trains the
       classifier, ``logits = s * (W x) + b`` with a learnt scale s for each class, from the W, b of the first stage on
       and ``s = 1`` (their Eq. 8 with r = 1). BatchNorm, where there is any, goes on gathering statistics, now of the
       balanced stream: "shifted" BatchNorm; its own weights are frozen.

    Args:
        network: encoder and classifier.
        class_counts: training images of each class.
        first_stage: how many epochs it takes.
        head: smoothing of the most frequent class.
        tail: smoothing of the rarest.
    """

    # The scale has no part in the first stage, the encoder none in the second.
    find_unused_parameters = True

    def __init__(
        self, network: Network, class_counts: Sequence[int], first_stage: int, head: float = 0.4, tail: float = 0.1
    ) -> None:
        super().__init__()
        self.network = network
        self.scale = nn.Parameter(torch.ones(len(class_counts)))
        self.smoothing = LabelAwareSmoothingLoss(class_counts, head, tail)
        self.first_stage = first_stage
        self.set_epoch(0, first_stage + 1)

    def set_epoch(self, epoch: int, epochs: int) -> None:  # noqa: ARG002  a method's form
        """Begin the second stage when it is time."""
        self.features_are_frozen = epoch >= self.first_stage
        self.needs = Needs(balanced) if self.features_are_frozen else Needs(natural, partners=natural)

    def forward(self, batch: Batch) -> Tensor:
        """Cross entropy of mixed images, then label-aware smoothing."""
        labels, (images,) = batch.labelled.labels, batch.labelled.views
        if self.features_are_frozen:
            with torch.no_grad():
                features = self.network.features(images)
            loss: Tensor = self.smoothing(self._scaled(features), labels)
            return loss
        if batch.partners is None:
            raise ValueError("partners: expected a second stream of images, got None")
        share = (batch.noise[0][:, 0, 0, 0] + 1) / 2
        mixed, target = mixup(images, labels, batch.partners.views[0], batch.partners.labels, share)
        return target.loss(partial(F.cross_entropy, reduction="none"), self.network(mixed))

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K]; in the first stage the scale is 1."""
        return self._scaled(self.network.features(images))

    def _scaled(self, features: Tensor) -> Tensor:
        classifier = self.network.classifier
        return self.scale * F.linear(features, classifier.weight) + classifier.bias
