"""What a method of the SPMix framework is, and the first row of the paper's Table 1: cross entropy."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from framework_batch import Batch, Needs, SamplerFactory, natural
from framework_networks import Network
from torch import Tensor, nn

from longtail_mix.sampling import ClassSampler, EpochSampler, class_probabilities

# Methods that the training loop can run; framework_recipes.build_method makes them.
METHODS = ("ce", "ce-resample", "mislas", "reslt", "bcl", "paco", "spmix")


class Method(nn.Module, ABC):
    """All that one method changes in a training.

    The loop calls ``forward`` (inside ``DistributedDataParallel``, where there is one) for the loss, steps the
    optimiser, then calls :meth:`after_step`. Each process gets its rows of the global batch; the mean of the processes'
    losses is the loss of the whole. So no draw is made in here: what is random comes with the batch.
    """

    needs: Needs
    find_unused_parameters = False  # what DistributedDataParallel has to be told

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """The loss of this process, a scalar."""

    @abstractmethod
    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K] of images [B, 3, S, S] in [0, 1]."""

    def after_step(self) -> None:
        """What follows a step of the optimiser."""

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Called before each epoch, counted from 0, and after a resume; `needs` may be others afterwards."""


class CrossEntropy(Method):
    """Cross entropy, "CE" in Table 1; with the balanced sampler "CE-resample"."""

    def __init__(self, network: Network, sampler: SamplerFactory = natural) -> None:
        super().__init__()
        self.needs = Needs(sampler)
        self.network = network

    def forward(self, batch: Batch) -> Tensor:
        """The mean cross entropy."""
        return F.cross_entropy(self.network(batch.labelled.views[0]), batch.labelled.labels)

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        logits: Tensor = self.network(images)
        return logits


class OfClasses:
    """A sampler factory: the images as they come, but of some classes only.

    With the head classes as the partners' stream, the pair of any image is a head image, each head image equally
    likely. So two streams pair as ``HeadTailPairing`` does within a batch, and no tail image is left without one.
    """

    def __init__(self, classes: tuple[int, ...]) -> None:
        self.classes = classes

    def __call__(self, labels: Tensor, num_classes: int, seed: int) -> EpochSampler:
        """As many draws an epoch as there are images of all classes."""
        counts = torch.bincount(labels, minlength=num_classes)
        chosen = torch.zeros_like(counts)
        chosen[list(self.classes)] = counts[list(self.classes)]
        return ClassSampler(labels, class_probabilities(chosen, 1), seed=seed)
