"""Who counts how much in a loss: the library's weightings by their options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from torch import Tensor, nn

from longtail_mix import (
    ClassBalancedWeights,
    ClassWiseHardExamples,
    DeferredWeighting,
    EffectiveNumberWeights,
    HardExamples,
    Pace,
    SelfPaced,
    mean_one_over_classes,
    mean_one_over_images,
)
from longtail_mix._distributed import gather, rank
from reproduction.methods.learner import Setting


class Weighting(ABC):
    """Options of a weighting."""

    @abstractmethod
    def build(self, setting: Setting) -> nn.Module | None:
        """The module, or None: everybody counts the same."""


@dataclass(frozen=True)
class NoWeights(Weighting):
    """Everybody counts the same."""

    def build(self, setting: Setting) -> None:
        """Nothing."""


@dataclass(frozen=True)
class ClassBalanced(Weighting):
    """CB: N / N_c, scaled so that a training image weighs 1 on average."""

    def build(self, setting: Setting) -> nn.Module:
        """By class."""
        return ClassBalancedWeights(setting.class_counts, mean_one_over_images)


@dataclass(frozen=True)
class EffectiveNumber(Weighting):
    """ES: (1 - b) / (1 - b^N_c).

    Args:
        beta: b; None is (N - 1) / N with the number of images N, as the weighting study has it.
        over_classes: scale so that a class, and not an image, weighs 1 on average.
    """

    beta: float | None = None
    over_classes: bool = False

    def build(self, setting: Setting) -> nn.Module:
        """By class."""
        normalise = mean_one_over_classes if self.over_classes else mean_one_over_images
        return EffectiveNumberWeights(setting.class_counts, self.beta, normalise)


@dataclass(frozen=True)
class Deferred(Weighting):
    """DRW (Cao et al. 2019): another weighting from a moment of the training on.

    Args:
        later: that weighting; default: the effective number with b = 0.9999, a class weighing 1 on average.
        start: when, as a share of the epochs.
    """

    later: EffectiveNumber = field(default_factory=lambda: EffectiveNumber(0.9999, over_classes=True))
    start: float = 0.8

    def build(self, setting: Setting) -> nn.Module:
        """By class and epoch."""
        return DeferredWeighting(self.later.build(setting), start_epoch=int(setting.epochs * self.start))


@dataclass(frozen=True)
class EasyFirst(Weighting):
    """SPL: the easiest images of a batch, half of them at first, all by half of the training."""

    def build(self, setting: Setting) -> nn.Module:
        """By loss and epoch."""
        return OverAllProcesses(SelfPaced(Pace(setting.epochs, setting.batch_size)))


@dataclass(frozen=True)
class HardFirst(Weighting):
    """OHEM: the hardest images of a batch, half of them at first, all by half of the training.

    Args:
        class_wise: within each class.
    """

    class_wise: bool = False

    def build(self, setting: Setting) -> nn.Module:
        """By loss and epoch."""
        pace = Pace(setting.epochs, setting.batch_size)
        return OverAllProcesses(ClassWiseHardExamples(pace) if self.class_wise else HardExamples(pace))


class OverAllProcesses(nn.Module):
    """A curriculum that ranks the losses of the whole batch; each process takes the weights of its own rows.

    Args:
        curriculum: losses [B] and labels [B] of the whole batch to weights [B].
    """

    def __init__(self, curriculum: nn.Module) -> None:
        super().__init__()
        self.curriculum = curriculum

    def forward(self, losses: Tensor, labels: Tensor) -> Tensor:
        """The weights of this process."""
        weights: Tensor = self.curriculum(gather(losses), gather(labels))
        return weights[rank() * len(losses) :][: len(losses)]
