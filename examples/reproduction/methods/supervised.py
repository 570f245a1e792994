"""Supervised training: a sampling, a mix and a loss. Most methods of the comparisons are one of these."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from longtail_mix import CosineClassifier, MixedTarget, set_epoch
from reproduction.criteria.losses import AnyCriterion, CrossEntropy
from reproduction.data.maps import MapSource
from reproduction.methods.learner import Learner, Method, Setting
from reproduction.methods.sampling import ByClass, Natural
from reproduction.mixes.balanced_mixup import BalancedMixUp
from reproduction.mixes.cutmix import CutMix
from reproduction.mixes.mixup import MixUp
from reproduction.mixes.other_skin import OtherSkin
from reproduction.mixes.patch_swap import PatchSwap
from reproduction.mixes.remix import Remix
from reproduction.mixes.saliency_mix import SaliencyMix
from reproduction.networks.network import Network
from reproduction.training.batch import Batch, Needs
from reproduction.training.recipe import Recipe

AnyMix = MixUp | BalancedMixUp | CutMix | Remix | SaliencyMix | PatchSwap | OtherSkin


@dataclass(frozen=True)
class Supervised(Method):
    """A sampling, a mix and a loss.

    Args:
        sampling: which images, and how often.
        criterion: the loss; one with a prior takes that of the sampling.
        mix: None: the images as they are.
        mix_from: begin to mix after this share of the epochs.
        mix_until: and stop after that one.
    """

    sampling: Natural | ByClass = field(default_factory=Natural)
    criterion: AnyCriterion = field(default_factory=CrossEntropy)
    mix: AnyMix | None = None
    mix_from: float = 0.0
    mix_until: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.mix_from <= self.mix_until <= 1:
            raise ValueError(
                f"mix_from, mix_until: expected 0 <= from <= until <= 1, got {self.mix_from} and {self.mix_until}"
            )

    @property
    def maps(self) -> MapSource | None:
        """Those of the mix, where its ratio looks at them."""
        if self.mix is None or (isinstance(self.mix, PatchSwap) and not self.mix.ratio.looks):
            return None
        return self.mix.maps

    def check(self, recipe: Recipe, processes: int) -> None:  # noqa: ARG002  a method's form
        """Whether the patches of the mix fit the views."""
        if isinstance(self.mix, PatchSwap):
            self.mix.check(recipe.views.size)

    def build(self, setting: Setting) -> SupervisedLearner:
        """A network that is trained whole."""
        return SupervisedLearner(self.network(setting), self, setting)

    def network(self, setting: Setting) -> Network:
        """With a linear classifier, or a cosine one where the loss wants that."""
        return self.around(setting.backbone.build(setting.size), len(setting.class_counts))

    def around(self, encoder: nn.Module, num_classes: int) -> Network:
        """The same of a given encoder."""
        network = Network(encoder, num_classes)
        if self.criterion.cosine:
            network.classifier = CosineClassifier(network.width, num_classes)
        return network


class SupervisedLearner(Learner):
    """A network that learns a loss of images that may be mixed."""

    def __init__(self, network: Network, method: Supervised, setting: Setting) -> None:
        super().__init__()
        self.network = network
        self.criterion = method.criterion.build(setting, method.sampling.counts(setting.class_counts))
        self.method, self.setting = method, setting
        self.set_epoch(0, setting.epochs)

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Tell the criterion, and mix if it is time."""
        set_epoch(self.criterion, epoch)
        method, size = self.method, self.setting.size
        self.mix = method.mix if method.mix_from * epochs <= epoch < method.mix_until * epochs else None
        mix = self.mix
        if mix is None:
            self.needs = Needs(method.sampling)
            return
        self.needs = Needs(
            method.sampling,
            mix.partners,
            maps=method.maps is not None,
            draw=lambda count, generator: mix.draw(count, size, generator),
        )

    def forward(self, batch: Batch) -> Tensor:
        """The criterion of the batch."""
        images, labels = batch.labelled.views[0], batch.labelled.labels
        target: Tensor | MixedTarget = labels
        if self.mix is not None and batch.partners is not None:
            images, target = self.mix(batch.labelled, batch.partners, batch.draws, self.setting.class_counts)
        loss: Tensor = self.criterion(self.network(images), target)
        return loss

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        logits: Tensor = self.network(images)
        return logits
