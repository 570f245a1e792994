"""RIDE: experts that are to differ, the more on rare classes (Wang et al. 2021); alone and with LSM's mixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from longtail_mix import GradCAM, MixedTarget, set_epoch
from reproduction.criteria.losses import LDAM, AnyCriterion
from reproduction.methods.learner import Learner, Method, Setting
from reproduction.methods.lsm import LSM, LSMLearner
from reproduction.methods.sampling import Natural
from reproduction.methods.supervised import Supervised
from reproduction.networks.branches import branch, last_stages
from reproduction.networks.experts import Experts
from reproduction.networks.network import Network
from reproduction.training.batch import Batch, Needs


@dataclass(frozen=True)
class Diversity:
    """Experts, and how much they are rewarded for saying something else (Wang et al. 2021, "distribution-aware").

    Expert i has the loss ``L(z_i, y) - weight / (n - 1) sum over j != i of KL(p_i || p_j)``, where p_i is the softmax
    of ``z_i / T`` with a temperature for each class::

        T_k = b_k + 1 - max(b),    b_k = gamma n_k / (mean of n) + 1 - gamma

    The released code compares an expert with the mean of all of them instead, as a constant.

    The layers that experts share run once for each: it takes time, and BatchNorm's running statistics there move n
    times a step. The weights that are learnt are the same.

    Args:
        experts: n.
        own_stages: stages that each has for itself. The authors' have a quarter fewer channels there; these do not.
        weight: their lambda.
        gamma: how much the temperature follows the counts; 0: not at all.
    """

    experts: int = 3
    own_stages: int = 2
    weight: float = 0.2
    gamma: float = 0.05

    def __post_init__(self) -> None:
        if self.experts < 2 or self.own_stages < 1:
            raise ValueError(f"experts, own_stages: expected 2 and 1 or more, got {self.experts} and {self.own_stages}")
        if not (self.weight >= 0 and 0 <= self.gamma <= 1):
            raise ValueError(f"weight, gamma: expected 0 or more and 0 to 1, got {self.weight} and {self.gamma}")

    def network(self, criterion: AnyCriterion, setting: Setting) -> Experts:
        """The experts, with the classifiers that a loss wants."""
        row, classes = Supervised(criterion=criterion), len(setting.class_counts)
        encoder = setting.backbone.build(setting.size)
        start = last_stages(encoder, self.own_stages)
        encoders = [encoder, *(branch(encoder, start) for _ in range(self.experts - 1))]
        return Experts([row.around(own, classes) for own in encoders])

    def temperatures(self, class_counts: Sequence[int]) -> Tensor:
        """T [K].

        Raises:
            ValueError: a gamma with which one is not above 0.
        """
        counts = torch.tensor(class_counts, dtype=torch.float64)
        following = self.gamma * counts / counts.mean() + 1 - self.gamma
        found = following + 1 - following.max()
        if not (found > 0).all():
            raise ValueError(f"gamma: expected one that leaves each temperature above 0, got {self.gamma}")
        return found.float()


class DiverseLoss(nn.Module):
    """The sum of the experts' losses, each with its reward.

    Args:
        criterion: ``criterion(logits, target)``, a scalar.
        diversity: the reward's options.
        class_counts: training images of each class.

    Shape:
        logits [n, B, K] of n experts -> a scalar.
    """

    temperatures: Tensor

    def __init__(self, criterion: nn.Module, diversity: Diversity, class_counts: Sequence[int]) -> None:
        super().__init__()
        self.criterion, self.weight = criterion, diversity.weight
        self.register_buffer("temperatures", diversity.temperatures(class_counts), persistent=False)

    def forward(self, logits: Tensor, target: Tensor | MixedTarget) -> Tensor:
        losses: Tensor = sum((self.criterion(own, target) for own in logits), logits.new_zeros(()))
        log_p = (logits / self.temperatures).log_softmax(2)
        # [i, j, B]: an expert does not differ from itself, so that the sum over j may have it.
        divergence = (log_p.exp()[:, None] * (log_p[:, None] - log_p[None])).sum(3)
        return losses - self.weight / (len(logits) - 1) * divergence.mean(2).sum()


@dataclass(frozen=True)
class RIDE(Method):
    """Three experts on the images as they come, every one of them asked about every image.

    The authors' second stage, which learns when the first experts suffice, saves time and is not built.

    Args:
        criterion: of each expert.
        diversity: the experts.
    """

    criterion: AnyCriterion = field(default_factory=LDAM)
    diversity: Diversity = field(default_factory=Diversity)

    def build(self, setting: Setting) -> RIDELearner:
        """Experts that begin with the same features, and not with the same classifiers."""
        return RIDELearner(self, setting)


class RIDELearner(Learner):
    """Experts and their loss."""

    def __init__(self, method: RIDE, setting: Setting) -> None:
        super().__init__()
        self.network = method.diversity.network(method.criterion, setting)
        criterion = method.criterion.build(setting, setting.class_counts)
        self.objective = DiverseLoss(criterion, method.diversity, setting.class_counts)
        self.needs = Needs(Natural())

    def set_epoch(self, epoch: int, epochs: int) -> None:  # noqa: ARG002  a learner's form
        """Tell the criterion."""
        set_epoch(self.objective, epoch)

    def forward(self, batch: Batch) -> Tensor:
        """The loss of this process."""
        loss: Tensor = self.objective(self.network.each(batch.labelled.views[0]), batch.labelled.labels)
        return loss

    def predict(self, images: Tensor) -> Tensor:
        """The mean logits [B, K]."""
        logits: Tensor = self.network(images)
        return logits


@dataclass(frozen=True)
class RIDEWithLSM(LSM):
    """Experts that learn from LSM's mixes. Which network's Grad-CAM makes the masks is not printed: here the mean of
    the experts' own ones.

    Args:
        criterion: of each expert.
        blocks: along a side.
        probability: with which a tail is mixed.
        layer: of the encoder, where Grad-CAM is taken; None: the last feature map.
        diversity: the experts.
    """

    criterion: AnyCriterion = field(default_factory=LDAM)
    diversity: Diversity = field(default_factory=Diversity)

    def build(self, setting: Setting) -> RIDEWithLSMLearner:
        """As RIDE's."""
        network = self.diversity.network(self.criterion, setting)
        return RIDEWithLSMLearner(network, self, setting)


class RIDEWithLSMLearner(LSMLearner):
    """Experts that make the masks of their own mixes."""

    network: Experts

    def __init__(self, network: Experts, method: RIDEWithLSM, setting: Setting) -> None:
        for expert in network.networks:
            assert isinstance(expert, Network)
            expert.check_map(setting.size, method.layer)
        super().__init__(network, method, setting)
        self.criterion = DiverseLoss(self.criterion, method.diversity, setting.class_counts)

    def forward(self, batch: Batch) -> Tensor:
        """The loss of the mixes."""
        images, target = self.mixed(batch)
        loss: Tensor = self.criterion(self.network.each(images), target)
        return loss

    def look(self, images: Tensor, labels: Tensor) -> Tensor:
        """The mean of the experts' maps."""
        cams = []
        for expert in self.network.networks:
            assert isinstance(expert, Network)
            with GradCAM(expert, expert.map_layer(self.method.layer)) as grad_cam:
                cams.append(grad_cam(images, labels))
        return torch.stack(cams).mean(0)
