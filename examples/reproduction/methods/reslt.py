"""ResLT: three branches on one encoder, whose logits are added; each is responsible for fewer and rarer classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from framework_batch import Batch, Needs, natural
from framework_methods import Method
from framework_networks import Network
from torch import Tensor, nn

from longtail_mix import many_medium_few
from longtail_mix._distributed import total, world_size


class Branch(nn.Module):
    """A light block of its own and a classifier: a linear layer where the paper has a 1 x 1 convolution."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.block = nn.Linear(width, width)
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.classifier(F.relu(self.block(features)))
        return logits


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
        network: of which the encoder is used, and the classifier by the main branch.
        class_counts: training images of each class.
        alpha: the share of the branches' own losses; the authors' choice for CIFAR-100-LT.
    """

    member: Tensor

    def __init__(self, network: Network, class_counts: Sequence[int], alpha: float = 0.995) -> None:
        super().__init__()
        self.needs = Needs(natural)
        self.network = network
        self.alpha = alpha
        width, num_classes = network.classifier.in_features, len(class_counts)
        self.residual = nn.ModuleList(Branch(width, num_classes) for _ in range(2))
        groups = many_medium_few(class_counts)
        responsible = (set(range(num_classes)), set(groups.medium + groups.few), set(groups.few))
        member = torch.tensor([[label in group for group in responsible] for label in range(num_classes)])
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
