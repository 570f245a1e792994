"""IB loss: images that pull hard at the classifier count less (Park et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproduction.methods.learner import Learner, Method, Setting
from reproduction.methods.sampling import Natural
from reproduction.networks.network import Network
from reproduction.training.batch import Batch, Needs


@dataclass(frozen=True)
class InfluenceBalanced(Method):
    """Cross entropy for a while, then the influence-balanced loss, on the images as they come::

        L_IB = mean of lambda_y CE(z, y) / (|softmax(z) - y|_1 |h|_1)
        lambda_k = alpha K (1 / n_k) / sum_j (1 / n_j)

    with the features h that the last layer sees: the denominator is the length of an image's gradient at that layer.
    As in the released code the gradient flows through the denominator too, which has 0.001 added, and lambda has the
    factor K, so that alpha is the mean over the classes; the paper's lambda is without it.

    Args:
        alpha: the released code's.
        start: the loss changes after this share of the epochs.
    """

    alpha: float = 1000.0
    start: float = 0.5

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise ValueError(f"alpha: expected above 0, got {self.alpha}")
        if not 0 <= self.start <= 1:
            raise ValueError(f"start: expected 0 to 1, got {self.start}")

    def build(self, setting: Setting) -> InfluenceLearner:
        """A network that is trained whole."""
        return InfluenceLearner(self, setting)


class InfluenceBalancedLoss(nn.Module):
    """The loss of logits, labels and the features that the last layer saw.

    Args:
        class_counts: training images of each class.
        alpha: mean weight of a class.
    """

    weights: Tensor

    def __init__(self, class_counts: Sequence[int], alpha: float) -> None:
        super().__init__()
        rarity = 1 / torch.tensor(class_counts, dtype=torch.float64)
        self.register_buffer("weights", (alpha * rarity / rarity.mean()).float(), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor, features: Tensor) -> Tensor:
        error = (logits.softmax(1) - F.one_hot(labels, logits.shape[1])).abs().sum(1)
        influence = error * features.abs().sum(1)
        return (self.weights[labels] * F.cross_entropy(logits, labels, reduction="none") / (influence + 1e-3)).mean()


class InfluenceLearner(Learner):
    """A network and both of its losses."""

    def __init__(self, method: InfluenceBalanced, setting: Setting) -> None:
        super().__init__()
        self.network = Network(setting.backbone.build(setting.size), len(setting.class_counts))
        self.balanced = InfluenceBalancedLoss(setting.class_counts, method.alpha)
        self.start, self.needs = method.start, Needs(Natural())
        self.begun = False

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Which loss it is."""
        self.begun = epoch >= self.start * epochs

    def forward(self, batch: Batch) -> Tensor:
        """The loss of the images."""
        labels = batch.labelled.labels
        features = self.network.features(batch.labelled.views[0])
        logits = self.network.classifier(features)
        if not self.begun:
            return F.cross_entropy(logits, labels)
        loss: Tensor = self.balanced(logits, labels, features)
        return loss

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        logits: Tensor = self.network(images)
        return logits
