"""LWS: another training's classifier, each class of which is scaled by a number that is learnt (Kang et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproduction.methods.frozen import FrozenFeatures, part_of
from reproduction.methods.learner import Setting
from reproduction.methods.supervised import Supervised
from reproduction.methods.two_stages import TwoStages


class ScaledLinear(nn.Linear):
    """``logits = s * (W x) + b`` with a scale s for each class, 1 at first; the bias is not scaled."""

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__(in_features, num_classes)
        self.scale = nn.Parameter(torch.ones(num_classes))

    def forward(self, features: Tensor) -> Tensor:
        """Logits [B, K] of features [B, D]."""
        return self.scale * F.linear(features, self.weight) + self.bias


class ScaledClassifier(FrozenFeatures):
    """Frozen features with a scaled classifier that starts from the linear one before.

    Args:
        method: sampling, mix and loss of this stage.
        setting: of this stage.
        shift: as in :class:`FrozenFeatures`.
        scale_alone: the classifier's own weights stay too.
    """

    def __init__(self, method: Supervised, setting: Setting, shift: bool, scale_alone: bool) -> None:
        network = method.network(setting)
        classifier = ScaledLinear(network.width, len(setting.class_counts))
        if scale_alone:
            classifier.requires_grad_(False).scale.requires_grad_(True)
        network.classifier = classifier
        super().__init__(network, method, setting, shift)

    def start_from(self, state: dict[str, Any]) -> None:
        """Encoder, weights and bias; the scale is still 1."""
        super().start_from(state)
        before = part_of(state, "network.classifier.")
        self.network.classifier.load_state_dict({**before, "scale": torch.ones_like(before["bias"])})


@dataclass(frozen=True)
class LinearStages(TwoStages):
    """Two stages whose classifiers are linear; the arguments are those of :class:`TwoStages`."""

    first: Supervised = field(default_factory=Supervised)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_linear(self.first, "first")
        check_linear(self.second, "second")


@dataclass(frozen=True)
class WeightScaling(LinearStages):
    """LWS: encoder and classifier of `first` as they are; one scale for each class learns from balanced classes.

    Args:
        first: how encoder and classifier are trained; with a linear classifier.
        second: how the scales are.
        share: their steps, as a share of the budget; beside those of `first`.
        optimiser: and its rates; None: the recipe's.
    """

    def build(self, setting: Setting) -> ScaledClassifier:
        """The scales alone learn; BatchNorm's statistics stay."""
        return ScaledClassifier(self.second, setting, shift=False, scale_alone=True)


def check_linear(method: Supervised, name: str) -> None:
    """Raise ``ValueError`` for a loss that wants a classifier without bias."""
    if method.criterion.cosine:
        loss = type(method.criterion).__name__
        raise ValueError(f"{name}.criterion: expected one with a linear classifier, got {loss}, whose is a cosine one")
