"""What is minimised: the library's losses by their options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from torch import nn

from longtail_mix import (
    BalancedSoftmaxLoss,
    FocalLoss,
    LabelAwareSmoothingLoss,
    LADELoss,
    LDAMLoss,
    LogitAdjustmentLoss,
    WeightedCrossEntropy,
)
from reproduction.criteria.weightings import (
    ClassBalanced,
    Deferred,
    EasyFirst,
    EffectiveNumber,
    HardFirst,
    NoWeights,
    Weighting,
)
from reproduction.methods.learner import Setting

AnyWeighting = NoWeights | ClassBalanced | EffectiveNumber | Deferred | EasyFirst | HardFirst


class Criterion(ABC):
    """Options of a loss.

    Attributes:
        cosine: whether the classifier compares directions, and has no bias.
    """

    weighting: Weighting
    cosine = False

    @abstractmethod
    def build(self, setting: Setting, drawn: tuple[int, ...]) -> nn.Module:
        """``loss(logits, labels or MixedTarget)``; `drawn` are the counts of the stream that the labels come from."""


@dataclass(frozen=True)
class CrossEntropy(Criterion):
    """Cross entropy."""

    weighting: AnyWeighting = field(default_factory=NoWeights)

    def build(self, setting: Setting, drawn: tuple[int, ...]) -> nn.Module:  # noqa: ARG002  a criterion's form
        """Weighted."""
        return WeightedCrossEntropy(self.weighting.build(setting))


@dataclass(frozen=True)
class Focal(Criterion):
    """(1 - p)^gamma times the cross entropy.

    Args:
        gamma: how little the easy ones count.
        weighting: who counts how much beside that.
    """

    gamma: float = 1.0
    weighting: AnyWeighting = field(default_factory=NoWeights)

    def build(self, setting: Setting, drawn: tuple[int, ...]) -> nn.Module:  # noqa: ARG002  a criterion's form
        """Weighted."""
        return FocalLoss(self.gamma, self.weighting.build(setting))


@dataclass(frozen=True)
class LDAM(Criterion):
    """LDAM (Cao et al. 2019) on cosine logits; with its default weighting LDAM-DRW.

    Args:
        scale: of the cosines.
        weighting: who counts how much, and when.
    """

    scale: float = 30.0
    weighting: AnyWeighting = field(default_factory=Deferred)
    cosine = True

    def build(self, setting: Setting, drawn: tuple[int, ...]) -> nn.Module:
        """With margins by the counts."""
        return LDAMLoss(drawn, scale=self.scale, weighting=self.weighting.build(setting))


@dataclass(frozen=True)
class BalancedSoftmax(Criterion):
    """Cross entropy of logits plus the log of the prior of the stream (Ren et al. 2020)."""

    weighting: AnyWeighting = field(default_factory=NoWeights)

    def build(self, setting: Setting, drawn: tuple[int, ...]) -> nn.Module:
        """With the prior of what is drawn: a balanced stream is not corrected twice."""
        return BalancedSoftmaxLoss(drawn, self.weighting.build(setting))


@dataclass(frozen=True)
class LogitAdjustment(Criterion):
    """Cross entropy of logits plus tau times the log of the prior (Menon et al. 2021).

    Args:
        tau: how much; 1 is balanced softmax.
        weighting: who counts how much beside that.
    """

    tau: float = 1.0
    weighting: AnyWeighting = field(default_factory=NoWeights)

    def build(self, setting: Setting, drawn: tuple[int, ...]) -> nn.Module:
        """With the prior of what is drawn."""
        return LogitAdjustmentLoss(drawn, self.tau, weighting=self.weighting.build(setting))


@dataclass(frozen=True)
class LADE(Criterion):
    """Label distribution disentangling (Hong et al. 2021)."""

    weighting: AnyWeighting = field(default_factory=NoWeights)

    def build(self, setting: Setting, drawn: tuple[int, ...]) -> nn.Module:
        """With the prior of what is drawn."""
        return LADELoss(drawn, weighting=self.weighting.build(setting))


@dataclass(frozen=True)
class LabelAwareSmoothing(Criterion):
    """Cross entropy with labels smoothed the more, the more training images the class has (Zhong et al. 2021).

    Args:
        head: smoothing of the most frequent class; the authors' choice for CIFAR-100-LT.
        tail: of the rarest.
        weighting: who counts how much beside that.
    """

    head: float = 0.4
    tail: float = 0.1
    weighting: AnyWeighting = field(default_factory=NoWeights)

    def build(self, setting: Setting, drawn: tuple[int, ...]) -> nn.Module:  # noqa: ARG002  a criterion's form
        """With the counts of the data, though a balanced stream is drawn from them."""
        counts = setting.class_counts
        return LabelAwareSmoothingLoss(counts, self.head, self.tail, weighting=self.weighting.build(setting))


AnyCriterion = CrossEntropy | Focal | LDAM | BalancedSoftmax | LogitAdjustment | LADE | LabelAwareSmoothing
