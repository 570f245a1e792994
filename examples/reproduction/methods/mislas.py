"""MiSLAS: features by mixup first, then a classifier that is less sure of the frequent classes (Zhong et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass, field

from reproduction.criteria.losses import LabelAwareSmoothing
from reproduction.methods.learner import Setting
from reproduction.methods.sampling import ByClass
from reproduction.methods.supervised import Supervised
from reproduction.methods.weight_scaling import LinearStages, ScaledClassifier
from reproduction.mixes.mixup import MixUp
from reproduction.training.optimisers import SGD, Adam, AdamW


@dataclass(frozen=True)
class MiSLAS(LinearStages):
    """Two stages ("Improving calibration for long-tailed recognition").

    1. Mixup on the images as they come, with cross entropy; shares from Beta(1, 1), the authors' choice for CIFAR. One
       for each image, theirs one for each batch.
    2. The classes equally often, nothing is mixed, and the encoder is frozen. Label-aware smoothing trains the
       classifier, ``logits = s * (W x) + b`` with a scale s for each class, from the W, b of the first stage and
       ``s = 1`` on (their Eq. 8 with r = 1). BatchNorm, where there is any, goes on gathering statistics, now of the
       balanced stream: "shifted"; its own weights are frozen.

    Args:
        first: the first stage.
        second: the second.
        share: the second's steps, as a share of the budget; beside those of the first.
        optimiser: of the second; None: the recipe's.
    """

    first: Supervised = field(default_factory=lambda: Supervised(mix=MixUp(alpha=1.0)))
    second: Supervised = field(default_factory=lambda: Supervised(ByClass(0.0), LabelAwareSmoothing()))
    optimiser: AdamW | Adam | SGD | None = None

    def build(self, setting: Setting) -> ScaledClassifier:
        """The second stage."""
        return ScaledClassifier(self.second, setting, shift=True, scale_alone=False)
