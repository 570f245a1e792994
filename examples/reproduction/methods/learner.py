"""What a method is: its options, a dataclass; and the learner that it builds, a module the training loop can run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_recall

from reproduction.data.maps import MapSource
from reproduction.data.task import Images
from reproduction.networks.network import Backbone
from reproduction.training.batch import Batch, Needs
from reproduction.training.optimisers import Optimiser
from reproduction.training.recipe import Recipe
from reproduction.training.views import ViewSettings

Told = dict[str, Tensor]
"""What is kept of a side that was looked at: tensors with a row for each image; classifiers have `logits` [N, K]."""


@dataclass(frozen=True)
class Setting:
    """What a method has to know of the data, the network and the training to build its learner."""

    class_counts: tuple[int, ...]  # training images of each class
    backbone: Backbone
    size: int  # side of the views in pixels
    epochs: int  # of this method's share of the training, begun ones counted
    batch_size: int  # over all processes


class Learner(nn.Module, ABC):
    """A method at work: weights and all that the method changes in a training.

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
        """What the network says of images [B, 3, S, S] in [0, 1]: a classifier's logits [B, K]."""

    def examine(self, images: Tensor, side: Images) -> Told:  # noqa: ARG002  others look at the masks
        """What reports want to know of images [B, 3, S, S] in [0, 1], which are those of `side`; on their device."""
        return {"logits": self.predict(images)}

    def after_step(self) -> None:
        """What follows a step of the optimiser."""

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Called before each epoch, counted from 0, and after a resume; `needs` may be others afterwards."""

    def start_from(self, state: dict[str, Any]) -> None:
        """Take over the weights of the method before, where there is one: its learner's state dict."""
        raise NotImplementedError(f"{type(self).__name__} starts from no other method")


class Method(ABC):
    """A method by its options; a frozen dataclass, so that a run folder can say what it holds.

    Attributes:
        first: another method whose trained weights this one starts from; the program trains it before.
        maps: what is to be carried through the views beside the images.
        share: of the training's steps that this method takes; 0 takes over the weights of `first` as they are.
        optimiser: its own; None: the recipe's.
        views: how views are cut, where it is not as the recipe says; they are of the recipe's size all the same.
    """

    first: Method | None = None
    share: float = 1.0
    optimiser: Optimiser | None = None
    views: ViewSettings | None = None

    @property
    def maps(self) -> MapSource | None:
        """None: nothing."""
        return None

    def check(self, recipe: Recipe, processes: int) -> None:  # noqa: B027  most methods fit every recipe
        """Raise ``ValueError`` for options that do not fit the recipe, before any data is read."""

    def score(self, told: Told, side: Images) -> float:
        """How good it is what a learner told of a side, the more the better: here the balanced accuracy."""
        logits = told["logits"]
        return float(multiclass_recall(logits, side.labels, logits.shape[1], average="macro"))

    @abstractmethod
    def build(self, setting: Setting) -> Learner:
        """The learner, with new weights from PyTorch's default generator.

        Raises:
            ValueError: options that do not fit the setting.
        """


def check_share(share: float) -> None:
    """Raise ``ValueError`` for a stage that does not train."""
    if not 0 < share <= 1:
        raise ValueError(f"share: expected above 0 and at most 1, got {share}")
