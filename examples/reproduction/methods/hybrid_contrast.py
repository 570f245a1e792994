"""Hybrid-SC: features by supervised contrast at first, the classifier more and more (Wang et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from reproduction.methods.contrasted import ContrastedLearner
from reproduction.methods.learner import Method, Setting
from reproduction.methods.sampling import ByClass, Natural
from reproduction.training.batch import Batch, Needs


@dataclass(frozen=True)
class HybridContrast(Method):
    """Two branches on one encoder: a projection for the contrast, a linear classifier for the cross entropy::

        L = alpha L_SC + (1 - alpha) L_CE,    alpha = 1 - (T / T_max)^2

    with the epoch T, counted from 0, of T_max. The contrast compares two views of the images as they come; the
    classifier learns from another stream, of balanced classes.

    Args:
        balanced: the classifier's stream.
        temperature: of the contrast.
        width: of what is compared.
    """

    balanced: ByClass = field(default_factory=ByClass)
    temperature: float = 0.1
    width: int = 128

    def build(self, setting: Setting) -> HybridContrastLearner:
        """A network with a projection."""
        return HybridContrastLearner(self, setting)


class HybridContrastLearner(ContrastedLearner):
    """A network whose classifier learns too, and the share of its contrast."""

    def __init__(self, method: HybridContrast, setting: Setting) -> None:
        super().__init__(method.width, method.temperature, setting)
        self.needs = Needs(Natural(), method.balanced, views=2)
        self.alpha = 1.0

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """From the contrast to the classifier."""
        self.alpha = 1 - (epoch / epochs) ** 2

    def forward(self, batch: Batch) -> Tensor:
        """Both losses."""
        natural, balanced = batch.labelled, batch.partners
        assert balanced is not None
        projected = self.network.project(self.network.features(torch.cat(natural.views)))
        contrast: Tensor = self.contrast(projected, natural.labels.repeat(2))
        classification = F.cross_entropy(self.network(balanced.views[0]), balanced.labels)
        return self.alpha * contrast + (1 - self.alpha) * classification
