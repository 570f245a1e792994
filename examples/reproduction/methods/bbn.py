"""BBN: a branch for the images as they come and one for the rare classes; the first fades out (Zhou et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor

from reproduction.methods.learner import Learner, Method, Setting
from reproduction.methods.sampling import ByClass, Natural
from reproduction.networks.branches import branch, last_block
from reproduction.networks.network import Network
from reproduction.training.batch import Batch, Needs


@dataclass(frozen=True)
class BBN(Method):
    """Bilateral-branch network: two branches that share all but the last block, each with a classifier of its own.

    With the epoch T, counted from 0, of T_max (their Eqs. 1 to 4)::

        z = alpha W_c f_c + (1 - alpha) W_r f_r,    alpha = 1 - (T / T_max)^2
        L = alpha CE(z, y_c) + (1 - alpha) CE(z, y_r)

    An image that is to be classified goes through both branches, and alpha is 1/2.

    Args:
        rebalanced: the stream of the second branch; the rarer a class, the likelier.
        layer: of the encoder, from where on each branch has its own weights; None: the last block.
    """

    rebalanced: ByClass = field(default_factory=lambda: ByClass(-1.0))
    layer: str | None = None

    def build(self, setting: Setting) -> BBNLearner:
        """Both branches begin with the same weights, their classifiers do not."""
        return BBNLearner(self, setting)


class BBNLearner(Learner):
    """Two networks that share most of their weights."""

    def __init__(self, method: BBN, setting: Setting) -> None:
        super().__init__()
        classes = len(setting.class_counts)
        encoder = setting.backbone.build(setting.size)
        other = branch(encoder, last_block(encoder) if method.layer is None else method.layer)
        self.conventional, self.rebalancing = Network(encoder, classes), Network(other, classes)
        self.needs = Needs(Natural(), method.rebalanced)
        self.alpha = 1.0

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """From one branch to the other."""
        self.alpha = 1 - (epoch / epochs) ** 2

    def forward(self, batch: Batch) -> Tensor:
        """The loss of pairs, an image from each stream."""
        common, rare, alpha = batch.labelled, batch.partners, self.alpha
        assert rare is not None
        logits = alpha * self.conventional(common.views[0]) + (1 - alpha) * self.rebalancing(rare.views[0])
        return alpha * F.cross_entropy(logits, common.labels) + (1 - alpha) * F.cross_entropy(logits, rare.labels)

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K]: the mean of both branches'."""
        logits: Tensor = (self.conventional(images) + self.rebalancing(images)) / 2
        return logits
