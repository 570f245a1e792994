"""SPMix as its released code trains it: one encoder for both views, a predictor in the place of the key network."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from reproduction.criteria.contrastive import AnyContrastive, PaCo
from reproduction.methods.learner import Setting
from reproduction.methods.queued_views import QueuedLearner, QueuedViews, mixed_views
from reproduction.methods.sampling import ByClass, Natural
from reproduction.mixes.patch_swap import PatchSwap
from reproduction.mixes.ratios import Released
from reproduction.networks.network import Network
from reproduction.training.batch import Batch
from reproduction.training.views import ViewSettings


@dataclass(frozen=True)
class OneEncoder(QueuedViews):
    """Both views go through one encoder and one projector, both with gradients; there is no key network.

    The predictor of the first view's projection gives the queries; the second view's projections are the keys, and
    after the step go to the queue. The projector has three linear layers with BatchNorm, the predictor two, the last of
    each without scale and shift, as in MoCo v3 (Chen et al. 2021), whose their form is.

    Args:
        sampling: where the labels come from.
        contrast: the loss; with a prior where that stream is not balanced.
        mix: None: nothing is mixed.
        layer: of the encoder; what it gives is mixed.
        queue: how many keys are kept; 0: none.
        width: of what is compared.
        hidden: width inside projector and predictor; MoCo v3's, the released code's is not known to us.
        views: crops from 0.08 and RandAugment of one view, of magnitude 10 as timm counts, 30 here.
    """

    sampling: Natural | ByClass = field(default_factory=Natural)
    contrast: AnyContrastive = field(default_factory=PaCo)
    mix: PatchSwap | None = field(default_factory=lambda: PatchSwap(Released(), tail_only=False, partners=ByClass(0.0)))
    layer: str = "patch_embed"
    queue: int = 8192
    width: int = 256
    hidden: int = 4096
    views: ViewSettings | None = field(
        default_factory=lambda: ViewSettings(crop_scale=(0.08, 1.0), operations=2, magnitude=30, first_view_only=True)
    )

    def __post_init__(self) -> None:
        if self.queue < 0 or min(self.width, self.hidden) < 1:
            raise ValueError(
                f"queue, width, hidden: expected at least 0, 1 and 1, got {self.queue}, {self.width} and {self.hidden}"
            )
        if self.contrast.prototypes:
            raise ValueError("contrast: expected SupCon or PaCo, as there are no prototypes here, got BCL")

    def build(self, setting: Setting) -> OneEncoderLearner:
        """Encoder, classifier, projector, predictor."""
        return OneEncoderLearner(self, setting)


class OneEncoderLearner(QueuedLearner):
    """A network, its predictor and a queue."""

    def __init__(self, method: OneEncoder, setting: Setting) -> None:
        super().__init__(method, setting)
        self.network = Network(setting.backbone.build(setting.size), len(setting.class_counts))
        width, hidden = method.width, method.hidden
        self.network.projection = norm_mlp(self.network.width, hidden, hidden, width)
        self.predictor = norm_mlp(width, hidden, width)

    def forward(self, batch: Batch) -> Tensor:
        """The objective of the first view's queries against each other, the second view's keys and the queue."""
        method, counts, labels = self.method, self.setting.class_counts, batch.labelled.labels
        first, second = (mixed_views(self.network, batch, view, method.mix, method.layer, counts) for view in range(2))
        queries = self.predictor(self.network.project(first))
        keys = self.network.project(second)
        logits = self.network.classifier(first)
        loss: Tensor = self.objective(queries, logits, labels, self.contrasts(keys, labels))
        self._latest = F.normalize(keys.detach().float()), labels
        return loss

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K]; nothing is mixed."""
        logits: Tensor = self.network(images)
        return logits


def norm_mlp(*widths: int) -> nn.Sequential:
    """Linear layers without bias, each with BatchNorm; a ReLU after all but the last, which has no scale and shift."""
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(pairwise(widths), start=2):
        last = place == len(widths)
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after, affine=not last)]
        layers += [] if last else [nn.ReLU()]
    return nn.Sequential(*layers)
