"""ResLT: three branches on one encoder, whose logits are added; each is responsible for fewer and rarer classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from longtail_mix import many_medium_few
from longtail_mix._distributed import total, world_size
from reproduction.methods.learner import Learner, Method, Setting
from reproduction.methods.sampling import Natural
from reproduction.networks.network import Network
from reproduction.training.batch import Batch, Needs


@dataclass(frozen=True)
class ResLT(Method):
    """Residual learning for long-tailed recognition (Cui et al. 2022), on the images as they come.

    A main branch for all classes, one for medium and few, one for few; the logits of the network are their sum::

        L = (1 - alpha) L_fusion + alpha L_branch
        L_fusion = cross entropy of the summed logits, over all images
        L_branch = cross entropy of each branch alone, over the images of its own classes only:
                   the mean over all pairs of an image and a branch it belongs to

    The groups are those of :func:`longtail_mix.many_medium_few`; the paper cuts by the number of images. Its branches
    leave the encoder before the pooling; here, so that any encoder will do, after it.

    Args:
        alpha: the share of the branches' own losses; the authors' choice for CIFAR-100-LT.
    """

    alpha: float = 0.995

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha: expected 0 to 1, got {self.alpha}")

    def build(self, setting: Setting) -> ResLTLearner:
        """An encoder with three branches."""
        return ResLTLearner(self.alpha, setting)


class Branch(nn.Module):
    """A light block of its own and a classifier: a linear layer where the paper has a 1 x 1 convolution."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.block = nn.Linear(width, width)
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.classifier(F.relu(self.block(features)))
        return logits


class ResLTLearner(Learner):
    """A network, whose classifier is the main branch's, and two branches beside it."""

    member: Tensor

    def __init__(self, alpha: float, setting: Setting) -> None:
        super().__init__()
        self.needs = Needs(Natural())
        self.alpha = alpha
        counts = setting.class_counts
        self.network = network = Network(setting.backbone.build(setting.size), len(counts))
        self.residual = nn.ModuleList(Branch(network.width, len(counts)) for _ in range(2))
        groups = many_medium_few(counts)
        responsible = (set(range(len(counts))), set(groups.medium + groups.few), set(groups.few))
        member = torch.tensor([[label in group for group in responsible] for label in range(len(counts))])
        self.register_buffer("member", member, persistent=False)  # [K, 3]

    def branches(self, images: Tensor) -> Tensor:
        """The logits of each branch, [3, B, K]."""
        features = self.network.features(images)
        return torch.stack([self.network.classifier(features), *(branch(features) for branch in self.residual)])

    def forward(self, batch: Batch) -> Tensor:
        """The loss of this process."""
        labels = batch.labelled.labels
        logits = self.branches(batch.labelled.views[0])
        fusion = F.cross_entropy(logits.sum(0), labels)
        losses = torch.stack([F.cross_entropy(branch, labels, reduction="none") for branch in logits], 1)
        belongs = self.member[labels].to(losses.dtype)
        # How many there are differs from process to process; the mean is over those of all.
        branch = (losses * belongs).sum() * (world_size() / total(belongs.sum()))
        return (1 - self.alpha) * fusion + self.alpha * branch

    def predict(self, images: Tensor) -> Tensor:
        """The summed logits [B, K]."""
        return self.branches(images).sum(0)
