"""A query network, a key network that follows it, a queue of past keys: SPMix, and PaCo without the mix."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix import MomentumPair
from reproduction.criteria.contrastive import AnyContrastive, PaCo
from reproduction.methods.learner import Setting
from reproduction.methods.queued_views import QueuedLearner, QueuedViews, mixed_views
from reproduction.methods.sampling import ByClass, Natural
from reproduction.mixes.patch_swap import PatchSwap
from reproduction.networks.network import Network
from reproduction.training.batch import Batch


@dataclass(frozen=True)
class MomentumContrast(QueuedViews):
    """Query and key network: the loss compares the first views' queries with the second views' keys and a queue.

    The query network sees the first views, mixed by their ratios; the key network the second ones, mixed by theirs. Its
    projections are the keys, and after the step go to the queue.

    Args:
        sampling: where the labels come from.
        contrast: the loss; with a prior where that stream is not balanced.
        mix: None: nothing is mixed, as in PaCo.
        layer: of the encoder; what it gives is mixed.
        momentum: of the key network.
        queue: how many keys are kept; 0: none.
        width: of what is compared.
    """

    sampling: Natural | ByClass = field(default_factory=Natural)
    contrast: AnyContrastive = field(default_factory=PaCo)
    mix: PatchSwap | None = None
    layer: str = "patch_embed"
    momentum: float = 0.999
    queue: int = 8192
    width: int = 128

    def __post_init__(self) -> None:
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"momentum: expected 0 to 1, got {self.momentum}")
        if self.queue < 0 or self.width < 1:
            raise ValueError(f"queue, width: expected at least 0 and 1, got {self.queue} and {self.width}")

    def build(self, setting: Setting) -> MomentumContrastLearner:
        """The key network starts as a copy of the query network."""
        return MomentumContrastLearner(self, setting)


class MomentumContrastLearner(QueuedLearner):
    """Two networks and a queue."""

    def __init__(self, method: MomentumContrast, setting: Setting) -> None:
        super().__init__(method, setting)
        encoder = setting.backbone.build(setting.size)
        network = Network(encoder, len(setting.class_counts), method.width, method.contrast.prototypes)
        self.pair = MomentumPair(network, method.momentum)

    def forward(self, batch: Batch) -> Tensor:
        """The objective of the queries against each other, the keys and the queue."""
        method, counts, labels = self.method, self.setting.class_counts, batch.labelled.labels
        query, key = self.query, self.key
        with torch.no_grad():
            key_features = mixed_views(key, batch, 1, method.mix, method.layer, counts)
            keys = F.normalize(key.project(key_features).float())
        features = mixed_views(query, batch, 0, method.mix, method.layer, counts)
        contrasts = self.contrasts(keys, labels, query.prototypes() if method.contrast.prototypes else None)
        logits = query.classifier(features)
        loss: Tensor = self.objective(query.project(features), logits, labels, contrasts)
        self._latest = keys, labels
        return loss

    def after_step(self) -> None:
        """Move the key network after the query's, and the keys into the queue."""
        self.pair.update()
        super().after_step()

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
