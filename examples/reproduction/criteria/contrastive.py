"""Contrastive losses by their options, each with the way its classifier is trained beside it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from longtail_mix import BalancedContrastiveLoss, LogitAdjustmentLoss, PaCoLoss, SupervisedContrastiveLoss


class Contrasts(NamedTuple):
    """What queries are compared with, beside each other."""

    keys: Tensor | None = None
    key_labels: Tensor | None = None
    queue: Tensor | None = None
    queue_labels: Tensor | None = None
    prototypes: Tensor | None = None  # [K, D], where the loss wants them

    @property
    def others(self) -> tuple[Tensor | None, ...]:
        """Keys and queue with their labels, as the losses take them."""
        return self[:4]


class Contrastive(ABC):
    """Options of a contrastive loss.

    Attributes:
        prototypes: whether it compares with a prototype of each class too.
    """

    prototypes = False

    @abstractmethod
    def build(self, prior: Sequence[int] | None) -> Objective:
        """With the log prior of a stream that shows the classes so often; None: equally often, no prior."""


class Objective(nn.Module, ABC):
    """The loss of a step, a scalar.

    ``forward(queries, logits, labels, contrasts)``: `queries` are projections, of one or more views of the batch one
    after the other; `logits` those of the first view; `labels` the batch's.
    """

    @abstractmethod
    def forward(self, queries: Tensor, logits: Tensor, labels: Tensor, contrasts: Contrasts) -> Tensor:
        """The loss."""


@dataclass(frozen=True)
class SupCon(Contrastive):
    """Supervised contrast (Khosla et al. 2020) plus the cross entropy of a classifier, trained together.

    Args:
        temperature: of the contrast.
        weight: of the cross entropy, which is logit-adjusted where the stream is not balanced.
    """

    temperature: float = 0.2
    weight: float = 1.0

    def build(self, prior: Sequence[int] | None) -> Objective:
        """``L_SupCon + weight L_CE``."""
        return _SupCon(self, prior)


class _SupCon(Objective):
    def __init__(self, options: SupCon, prior: Sequence[int] | None) -> None:
        super().__init__()
        self.contrast = SupervisedContrastiveLoss(options.temperature)
        self.classification = _classification(prior)
        self.weight = options.weight

    def forward(self, queries: Tensor, logits: Tensor, labels: Tensor, contrasts: Contrasts) -> Tensor:
        contrast: Tensor = self.contrast(queries, _repeated(labels, queries), *contrasts.others)
        classification: Tensor = self.classification(logits, labels)
        return contrast + self.weight * classification


@dataclass(frozen=True)
class PaCo(Contrastive):
    """Parametric contrast (Cui et al. 2021): the logits are in the loss, similarities to a learnt centre of each class.

    Args:
        alpha: weight of each positive.
        beta: weight of the anchor's centre.
        gamma: how much the contrasts count beside the centres.
        temperature: of the contrasts.
    """

    alpha: float = 0.05
    beta: float = 1.0
    gamma: float = 1.0
    temperature: float = 0.2

    def build(self, prior: Sequence[int] | None) -> Objective:
        """Of the first view's queries."""
        return _PaCo(self, prior)


class _PaCo(Objective):
    def __init__(self, options: PaCo, prior: Sequence[int] | None) -> None:
        super().__init__()
        self.contrast = PaCoLoss(prior, options.alpha, options.beta, options.gamma, options.temperature)

    def forward(self, queries: Tensor, logits: Tensor, labels: Tensor, contrasts: Contrasts) -> Tensor:
        loss: Tensor = self.contrast(queries, logits, labels, *contrasts.others)
        return loss


@dataclass(frozen=True)
class BCL(Contrastive):
    """``weight L_LC + contrast_weight L_BCL`` (Zhu et al. 2022): logit-compensated cross entropy, balanced contrast.

    Args:
        temperature: of the contrast; 0.1 is the default of the authors' loss.
        weight: their lambda.
        contrast_weight: their mu.
    """

    temperature: float = 0.1
    weight: float = 1.0
    contrast_weight: float = 0.35
    prototypes = True

    def build(self, prior: Sequence[int] | None) -> Objective:
        """With prototypes of all classes among the contrasts."""
        return _BCL(self, prior)


class _BCL(Objective):
    def __init__(self, options: BCL, prior: Sequence[int] | None) -> None:
        super().__init__()
        self.contrast = BalancedContrastiveLoss(options.temperature)
        self.classification = _classification(prior)
        self.weight, self.contrast_weight = options.weight, options.contrast_weight

    def forward(self, queries: Tensor, logits: Tensor, labels: Tensor, contrasts: Contrasts) -> Tensor:
        assert contrasts.prototypes is not None  # wanted, so given
        contrast: Tensor = self.contrast(queries, contrasts.prototypes, _repeated(labels, queries), *contrasts.others)
        classification: Tensor = self.classification(logits, labels)
        return self.weight * classification + self.contrast_weight * contrast


AnyContrastive = SupCon | PaCo | BCL


def prior_of(drawn: Sequence[int]) -> Sequence[int] | None:
    """The counts of a stream, or None where it shows every class equally often."""
    return None if len(set(drawn)) == 1 else drawn


def _classification(prior: Sequence[int] | None) -> nn.Module:
    """Logit-adjusted cross entropy, or plain where the classes come equally often."""
    return nn.CrossEntropyLoss() if prior is None else LogitAdjustmentLoss(prior)


def _repeated(labels: Tensor, queries: Tensor) -> Tensor:
    """The labels of one or more views of a batch."""
    return labels.repeat(len(queries) // len(labels))
