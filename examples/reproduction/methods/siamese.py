"""Siamese training beside the classifier: images of a class near each other, those of two classes a margin apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproduction.methods.care import Plain
from reproduction.networks.network import Network


@dataclass(frozen=True)
class Siamese(Plain):
    """Cross entropy plus the contrastive loss of pairs (Hadsell et al. 2006) on the features before the classifier.

    With the distance d of two images' features, over all pairs of a batch::

        L = L_c + weight (mean of d^2 / 2 over pairs of one class
                          + mean of max(0, margin - d)^2 / 2 over pairs of two) / 2

    as if every other pair that is drawn were one of a class. CARE's paper names the method and an implementation, whose
    margin this is; how the classifier is trained it does not print. Pairs are those of a process's own images.

    Args:
        sampling: which images, and how often.
        criterion: L_c.
        mix: not for pairs.
        mix_from: likewise.
        mix_until: likewise.
        layer: of the encoder, where Grad-CAM is taken; None: the last feature map before pooling.
        views: how views are cut, where it is not as the recipe says: more augmentation.
        margin: how far apart is far enough.
        weight: of the pairs.
    """

    margin: float = 1.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mix is not None:
            raise ValueError(f"mix: expected none, as a pair is of one class or of two, got {self.mix}")
        if not (self.margin > 0 and self.weight >= 0):
            raise ValueError(f"margin, weight: expected above 0 and at least 0, got {self.margin} and {self.weight}")

    def objective(self, criterion: nn.Module, network: Network) -> WithPairs:
        """The criterion and the pairs."""
        return WithPairs(criterion, network.classifier, self.margin, self.weight)


class WithPairs(nn.Module):
    """A criterion of logits and labels, plus that of the pairs of features that a classifier made the logits of."""

    def __init__(self, criterion: nn.Module, classifier: nn.Module, margin: float, weight: float) -> None:
        super().__init__()
        self.criterion, self.margin, self.weight = criterion, margin, weight
        self._features: Tensor | None = None
        classifier.register_forward_pre_hook(self._see)

    def _see(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._features = inputs[0]

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        features, self._features = self._features, None
        assert features is not None
        loss: Tensor = self.criterion(logits, labels)
        return loss + self.weight * pair_loss(features.float(), labels, self.margin)


def pair_loss(features: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Half of the mean over pairs of one class, plus half of that over pairs of two; 0 for a kind that is not there."""
    first, second = torch.triu_indices(len(labels), len(labels), 1, device=labels.device)
    squares = (features[first] - features[second]).square().sum(1)
    same = labels[first] == labels[second]
    apart = F.relu(margin - (squares + 1e-9).sqrt()).square()  # a distance of 0 has no gradient
    return (_mean(squares, same) + _mean(apart, ~same)) / 4


def _mean(losses: Tensor, counts: Tensor) -> Tensor:
    return (losses * counts).sum() / counts.sum().clamp(min=1)
