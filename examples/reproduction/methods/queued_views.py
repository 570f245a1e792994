"""Two views, a queue of past keys and maybe a mix at a layer: what momentum contrast and one encoder have in common."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from longtail_mix import FeatureQueue
from reproduction.criteria.contrastive import AnyContrastive, Contrasts, prior_of
from reproduction.data.maps import MapSource
from reproduction.methods.learner import Learner, Method, Setting
from reproduction.methods.sampling import Sampling
from reproduction.mixes.patch_swap import PatchSwap
from reproduction.networks.network import Network, check_layer
from reproduction.training.batch import Batch, Needs
from reproduction.training.recipe import Recipe


class QueuedViews(Method):
    """A method of two views with a queue of keys and, maybe, a mix at a layer.

    Attributes:
        sampling: where the labels come from.
        contrast: the loss.
        mix: None: nothing is mixed.
        layer: of the encoder; what it gives is mixed.
        queue: how many keys are kept.
        width: of what is compared.
    """

    sampling: Sampling
    contrast: AnyContrastive
    mix: PatchSwap | None
    layer: str
    queue: int
    width: int

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


class QueuedLearner(Learner):
    """An objective, a queue, and the keys that wait for the end of the step."""

    def __init__(self, method: QueuedViews, setting: Setting) -> None:
        super().__init__()
        self.method, self.setting = method, setting
        self.objective = method.contrast.build(prior_of(method.sampling.counts(setting.class_counts)))
        self.queue = FeatureQueue(method.queue, method.width) if method.queue else None
        self.needs = needs_of_views(method.sampling, method.mix, setting.size)
        self._latest: tuple[Tensor, Tensor] | None = None

    def contrasts(self, keys: Tensor, labels: Tensor, prototypes: Tensor | None = None) -> Contrasts:
        """The keys of this step and those of the queue."""
        past, past_labels = (None, None) if self.queue is None else (self.queue.features, self.queue.labels)
        return Contrasts(keys, labels, past, past_labels, prototypes)

    def after_step(self) -> None:
        """The keys into the queue; not before, as autograd needs the old one."""
        if self.queue is not None and self._latest is not None:
            self.queue.push(*self._latest)
        self._latest = None


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
