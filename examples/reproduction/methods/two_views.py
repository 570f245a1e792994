"""One network that sees two views of each image, with gradients to both: BCL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from reproduction.criteria.contrastive import BCL, Contrasts, SupCon, prior_of
from reproduction.data.maps import MapSource
from reproduction.methods.learner import Learner, Method, Setting
from reproduction.methods.sampling import ByClass, Natural, Sampling
from reproduction.mixes.patch_swap import PatchSwap
from reproduction.networks.network import Network, check_layer
from reproduction.training.batch import Batch, Needs
from reproduction.training.recipe import Recipe


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
        loss: Tensor = self.objective(network.project(features), logits, labels, Contrasts(), prototypes)
        return loss

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        logits: Tensor = self.network(images)
        return logits


def needs_of_views(sampling: Sampling, mix: PatchSwap | None, size: int) -> Needs:
    """Two views; for a mix partners, maps where it looks at them, and what it draws, for each view by itself."""
    if mix is None:
        return Needs(sampling, views=2)

    def draw(count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        return (*mix.draw(count, size, generator), *mix.draw(count, size, generator))

    return Needs(sampling, mix.partners, views=2, maps=mix.ratio.looks, draw=draw)


def mixed_views(
    network: Network, batch: Batch, view: int, mix: PatchSwap | None, layer: str, class_counts: Sequence[int]
) -> Tensor:
    """A network's features [B, D] of one view, mixed at a layer by the draws for that view."""
    own = batch.labelled.views[view]
    if mix is None or batch.partners is None:
        return network.features(own)
    draws = batch.draws[len(batch.draws) // 2 * view :][: len(batch.draws) // 2]
    shares = mix.shares(batch.labelled, batch.partners, draws, class_counts, view)
    return network.mixed_features(own, batch.partners.views[view], shares, layer)


class QueuedViews(Method):
    """A method of two views with a queue of keys and, maybe, a mix at a layer.

    Attributes:
        mix: None: nothing is mixed.
        layer: of the encoder; what it gives is mixed.
        queue: how many keys are kept.
    """

    mix: PatchSwap | None
    layer: str
    queue: int

    @property
    def maps(self) -> MapSource | None:
        """Those of the mix, where its ratio looks at them."""
        return self.mix.maps if self.mix is not None and self.mix.ratio.looks else None

    def check(self, recipe: Recipe, processes: int) -> None:
        """Whether the mix fits the network, and the queue several processes."""
        if processes > 1 and self.queue % recipe.batch_size:
            # Each fills it with the same keys in another order: only whole batches leave it together.
            raise ValueError(
                f"queue: expected a multiple of the batch size {recipe.batch_size} for {processes} processes, "
                f"got {self.queue}"
            )
        if self.mix is not None:
            self.mix.check(recipe.views.size)
            check_layer(recipe.backbone, recipe.views.size, self.layer, self.mix.ratio.patch_size)
