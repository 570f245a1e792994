"""A query network, a key network that follows it, a queue of past keys: SPMix, and PaCo without the mix."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from longtail_mix import FeatureQueue, MomentumPair
from reproduction.criteria.contrastive import AnyContrastive, Contrasts, PaCo, prior_of
from reproduction.methods.learner import Learner, Setting
from reproduction.methods.sampling import ByClass, Natural
from reproduction.methods.two_views import QueuedViews, mixed_views, needs_of_views
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


class MomentumContrastLearner(Learner):
    """Two networks and a queue."""

    def __init__(self, method: MomentumContrast, setting: Setting) -> None:
        super().__init__()
        self.method, self.setting = method, setting
        counts = setting.class_counts
        encoder = setting.backbone.build(setting.size)
        network = Network(encoder, len(counts), method.width, method.contrast.prototypes)
        self.pair = MomentumPair(network, method.momentum)
        self.objective = method.contrast.build(prior_of(method.sampling.counts(counts)))
        self.queue = FeatureQueue(method.queue, method.width) if method.queue else None
        self.needs = needs_of_views(method.sampling, method.mix, setting.size)
        self._latest: tuple[Tensor, Tensor] | None = None  # keys and labels that wait for the end of the step

    def forward(self, batch: Batch) -> Tensor:
        """The objective of the queries against each other, the keys and the queue."""
        method, counts, labels = self.method, self.setting.class_counts, batch.labelled.labels
        query, key = self.query, self.key
        with torch.no_grad():
            key_features = mixed_views(key, batch, 1, method.mix, method.layer, counts)
            keys = F.normalize(key.project(key_features).float())
        features = mixed_views(query, batch, 0, method.mix, method.layer, counts)
        past = (None, None) if self.queue is None else (self.queue.features, self.queue.labels)
        contrasts = Contrasts(keys, labels, *past)
        prototypes = query.prototypes() if method.contrast.prototypes else None
        logits = query.classifier(features)
        loss: Tensor = self.objective(query.project(features), logits, labels, contrasts, prototypes)
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
