"""Trained networks read otherwise, without a further step: tau-normalisation and post-hoc logit adjustment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from reproduction.methods.learner import Method, Setting
from reproduction.methods.supervised import Supervised, SupervisedLearner
from reproduction.methods.weight_scaling import check_linear
from reproduction.training.recipe import Recipe


class TakenOver(SupervisedLearner):
    """All of another training."""

    def start_from(self, state: dict[str, Any]) -> None:
        """Every weight."""
        self.load_state_dict(state)


class NormalisedClassifier(TakenOver):
    """``logits = (w_c / |w_c|^tau) x``."""

    def __init__(self, first: Supervised, setting: Setting, tau: float) -> None:
        super().__init__(first.network(setting), first, setting)
        self.tau = tau

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        weight = self.network.classifier.weight
        length = torch.linalg.vector_norm(weight, dim=1, keepdim=True)
        return F.linear(self.network.features(images), weight / length**self.tau)


@dataclass(frozen=True)
class TauNormalisation(Method):
    """The classifier's rows brought nearer to one length (Kang et al. 2020, Eq. 2); without its bias, as there.

    Args:
        first: the training whose network it is; with a linear classifier.
        tau: 0 changes no row, 1 gives all one length. The authors choose it by validation.
    """

    first: Supervised = field(default_factory=Supervised)
    tau: float = 1.0
    share = 0.0

    def __post_init__(self) -> None:
        check_linear(self.first, "first")
        if not 0 <= self.tau <= 1:
            raise ValueError(f"tau: expected 0 to 1, got {self.tau}")

    def check(self, recipe: Recipe, processes: int) -> None:
        """As `first`."""
        self.first.check(recipe, processes)

    def build(self, setting: Setting) -> NormalisedClassifier:
        """Not trained."""
        return NormalisedClassifier(self.first, setting, self.tau)


class AdjustedLogits(TakenOver):
    """``logits - tau log prior``."""

    log_prior: Tensor

    def __init__(self, first: Supervised, setting: Setting, tau: float) -> None:
        super().__init__(first.network(setting), first, setting)
        counts = torch.tensor(first.sampling.counts(setting.class_counts), dtype=torch.float64)
        self.register_buffer("log_prior", (counts / counts.sum()).log().float(), persistent=False)
        self.tau = tau

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        return super().predict(images) - self.tau * self.log_prior


@dataclass(frozen=True)
class PostHocAdjustment(Method):
    """Logit adjustment after the training (Menon et al. 2021, Eq. 9): the log prior of the stream is subtracted.

    Args:
        first: the training whose network it is; by cross entropy, without a prior in its loss.
        tau: how much; 1 is the Bayes-optimal correction for balanced accuracy.
    """

    first: Supervised = field(default_factory=Supervised)
    tau: float = 1.0
    share = 0.0

    def check(self, recipe: Recipe, processes: int) -> None:
        """As `first`."""
        self.first.check(recipe, processes)

    def build(self, setting: Setting) -> AdjustedLogits:
        """Not trained."""
        return AdjustedLogits(self.first, setting, self.tau)
