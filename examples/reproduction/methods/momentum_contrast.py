"""The contrastive methods: SPMix and PaCo with a query and a key network, BCL with one network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from framework_batch import Batch, Needs
from framework_methods import Method
from framework_mixing import StreamRatio
from framework_networks import Network
from torch import Tensor, nn

from longtail_mix import (
    BalancedContrastiveLoss,
    FeatureQueue,
    LogitAdjustmentLoss,
    MomentumPair,
    PaCoLoss,
    SupervisedContrastiveLoss,
)


class Contrasts(NamedTuple):
    """What queries are compared with, beside each other."""

    keys: Tensor | None = None
    key_labels: Tensor | None = None
    queue: Tensor | None = None
    queue_labels: Tensor | None = None


class Objective(nn.Module, ABC):
    """A contrastive loss and how the classifier is trained beside it.

    ``forward(network, queries, logits, labels, contrasts)``: `queries` are projections, one or more views of the batch
    one after the other; `logits` those of the first view; `labels` the batch's.
    """

    prototypes = False  # whether the network needs some

    @abstractmethod
    def forward(
        self, network: Network, queries: Tensor, logits: Tensor, labels: Tensor, contrasts: Contrasts
    ) -> Tensor:
        """The loss of the queries, a scalar."""


class SupConObjective(Objective):
    """Supervised contrast plus `weight` times the cross entropy of the classifier, trained together.

    The paper does not say how its classifier is trained. Where the labels come as they are, the cross entropy is the
    logit-adjusted one; from a balanced stream the plain one: `class_counts` None.
    """

    def __init__(self, class_counts: Sequence[int] | None, temperature: float, weight: float = 1.0) -> None:
        super().__init__()
        self.contrast = SupervisedContrastiveLoss(temperature)
        self.classification = classification_loss(class_counts)
        self.weight = weight

    def forward(
        self,
        network: Network,  # noqa: ARG002  an objective's form
        queries: Tensor,
        logits: Tensor,
        labels: Tensor,
        contrasts: Contrasts,
    ) -> Tensor:
        """L_SupCon + weight L_CE."""
        contrast: Tensor = self.contrast(queries, repeated(labels, queries), *contrasts)
        classification: Tensor = self.classification(logits, labels)
        return contrast + self.weight * classification


class PaCoObjective(Objective):
    """PaCo: the logits are in the loss, as the similarities to one learnt centre for each class."""

    def __init__(
        self, class_counts: Sequence[int] | None, alpha: float, beta: float, gamma: float, temperature: float
    ) -> None:
        super().__init__()
        self.contrast = PaCoLoss(class_counts, alpha, beta, gamma, temperature)

    def forward(
        self,
        network: Network,  # noqa: ARG002  an objective's form
        queries: Tensor,
        logits: Tensor,
        labels: Tensor,
        contrasts: Contrasts,
    ) -> Tensor:
        """PaCo's loss of the first view."""
        loss: Tensor = self.contrast(queries, logits, labels, *contrasts)
        return loss


class BCLObjective(Objective):
    """``lambda L_LC + mu L_BCL`` (Zhu et al. 2022): logit-compensated cross entropy and balanced contrast.

    Args:
        class_counts: of the stream that the labels come from, None where it is balanced.
        temperature: of the contrast.
        weight: lambda.
        contrast_weight: mu.
    """

    prototypes = True

    def __init__(
        self, class_counts: Sequence[int] | None, temperature: float, weight: float, contrast_weight: float
    ) -> None:
        super().__init__()
        self.contrast = BalancedContrastiveLoss(temperature)
        self.classification = classification_loss(class_counts)
        self.weight, self.contrast_weight = weight, contrast_weight

    def forward(
        self, network: Network, queries: Tensor, logits: Tensor, labels: Tensor, contrasts: Contrasts
    ) -> Tensor:
        """Lambda L_LC + mu L_BCL."""
        contrast: Tensor = self.contrast(queries, network.prototypes(), repeated(labels, queries), *contrasts)
        classification: Tensor = self.classification(logits, labels)
        return self.weight * classification + self.contrast_weight * contrast


def classification_loss(class_counts: Sequence[int] | None) -> nn.Module:
    """Logit-adjusted cross entropy, or plain where the classes come equally often."""
    return nn.CrossEntropyLoss() if class_counts is None else LogitAdjustmentLoss(class_counts)


def repeated(labels: Tensor, queries: Tensor) -> Tensor:
    """The labels of one or more views of a batch."""
    return labels.repeat(len(queries) // len(labels))


class MomentumContrast(Method):
    """Query and key network, two views, a queue of past keys: SPMix, and PaCo without the mix.

    The query network sees the first views, mixed by their ratio; the key network the second ones, mixed by theirs. Its
    projections are keys, and after the step go to the queue.

    Args:
        network: with a projection.
        needs: two views; for the mix also partners, and the saliency where the ratio looks at it.
        objective: the loss.
        momentum: of the key network.
        queue: how many keys are kept; 0 for none.
        width: of the projection.
        ratio: for each view of a batch the share of the labelled images, or None: nothing is mixed.
        layer: where they are mixed, a layer of the encoder.
    """

    def __init__(
        self,
        network: Network,
        needs: Needs,
        objective: Objective,
        momentum: float,
        queue: int,
        width: int,
        ratio: StreamRatio | None = None,
        layer: str = "patch_embed",
    ) -> None:
        super().__init__()
        self.needs = needs
        self.pair = MomentumPair(network, momentum)
        self.objective = objective
        self.queue = FeatureQueue(queue, width) if queue else None
        self.ratio, self.layer = ratio, layer
        self._latest: tuple[Tensor, Tensor] | None = None  # keys and labels that wait for the end of the step

    def forward(self, batch: Batch) -> Tensor:
        """The objective of the queries against each other, the keys and the queue."""
        labels, query, key = batch.labelled.labels, self.query, self.key
        with torch.no_grad():
            keys = F.normalize(key.project(self._features(key, batch, 1)).float())
        features = self._features(query, batch, 0)
        past = (None, None) if self.queue is None else (self.queue.features, self.queue.labels)
        contrasts = Contrasts(keys, labels, *past)
        loss: Tensor = self.objective(query, query.project(features), query.classifier(features), labels, contrasts)
        self._latest = keys, labels
        return loss

    def after_step(self) -> None:
        """Move the key network after the query's, and the keys into the queue."""
        self.pair.update()
        if self.queue is not None and self._latest is not None:
            self.queue.push(*self._latest)
        self._latest = None

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K] of the query network; nothing is mixed."""
        logits: Tensor = self.query(images)
        return logits

    @property
    def query(self) -> Network:
        """The network that is trained."""
        network = self.pair.query
        assert isinstance(network, Network)
        return network

    @property
    def key(self) -> Network:
        """The network that follows."""
        network = self.pair.key
        assert isinstance(network, Network)
        return network

    def _features(self, network: Network, batch: Batch, view: int) -> Tensor:
        own = batch.labelled.views[view]
        if self.ratio is None or batch.partners is None:
            return network.features(own)
        return network.mixed_features(own, batch.partners.views[view], self.ratio(batch, view), self.layer)


class TwoViews(Method):
    """One network that sees both views, with gradients to both: BCL.

    The authors classify one view and contrast two others; here the first of two views does both, which is two thirds
    of the work.
    """

    def __init__(self, network: Network, needs: Needs, objective: Objective) -> None:
        super().__init__()
        self.needs = needs
        self.network = network
        self.objective = objective

    def forward(self, batch: Batch) -> Tensor:
        """The objective of both views; the classifier's part is on the first."""
        labels = batch.labelled.labels
        features = self.network.features(torch.cat(batch.labelled.views))
        logits = self.network.classifier(features[: len(labels)])
        loss: Tensor = self.objective(self.network, self.network.project(features), logits, labels, Contrasts())
        return loss

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        logits: Tensor = self.network(images)
        return logits
