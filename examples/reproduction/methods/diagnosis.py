"""The networks of the weighting study end to end: flat and hierarchical, with any weights."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from longtail_mix import FocalLoss, set_epoch
from reproduction.criteria.losses import AnyWeighting
from reproduction.criteria.weightings import NoWeights
from reproduction.data.task import Images
from reproduction.methods.learner import Learner, Method, Setting, Told, check_share
from reproduction.methods.sampling import Natural
from reproduction.networks.study import MELANOCYTIC, FeatureMaps, FlatHead, HierarchicalHead, LevelLoss, StudyModel
from reproduction.training.batch import Batch, Needs


@dataclass(frozen=True)
class Flat(Method):
    """A convolutional network with CBAM behind it (Barata and Santiago 2021), on the images as they come.

    Args:
        gamma: of the focal loss; 0 is cross entropy.
        weighting: who counts how much.
        share: of the training's steps; the paper's 150 epochs of the hierarchical network's 250.
    """

    gamma: float = 0.0
    weighting: AnyWeighting = field(default_factory=NoWeights)
    share: float = 0.6

    def __post_init__(self) -> None:
        check_share(self.share)
        if self.gamma < 0:
            raise ValueError(f"gamma: expected at least 0, got {self.gamma}")

    def head(self, channels: int, num_classes: int) -> FlatHead | HierarchicalHead:
        """What makes logits of feature maps."""
        return FlatHead(channels, num_classes)

    def build(self, setting: Setting) -> DiagnosisLearner:
        """End to end, from the backbone's weights."""
        maps = FeatureMaps(setting.backbone.build(setting.size), setting.size)
        model = StudyModel(maps, self.head(maps.channels, len(setting.class_counts)))
        criterion = LevelLoss(FocalLoss(self.gamma, reduction="none"), self.weighting.build(setting))
        return DiagnosisLearner(model, criterion)


@dataclass(frozen=True)
class Hierarchical(Flat):
    """Three decisions by an LSTM whose attention follows its state: melanocytic?, malignant?, diagnosis.

    Args:
        gamma: of the focal loss; 0 is cross entropy.
        weighting: who counts how much, by an image's diagnosis or its loss over all levels.
        share: of the training's steps.
        width: of the LSTM's state; not printed.
    """

    share: float = 1.0
    width: int = 64

    def head(self, channels: int, num_classes: int) -> HierarchicalHead:
        """For the seven classes of ISIC 2018.

        Raises:
            ValueError: another number of classes.
        """
        if num_classes != len(MELANOCYTIC):
            raise ValueError(f"data: expected the seven classes of ISIC 2018, of known hierarchy, got {num_classes}")
        return HierarchicalHead(channels, num_classes, self.width)


class DiagnosisLearner(Learner):
    """A network whose levels all learn; the last one is the diagnosis."""

    def __init__(self, network: StudyModel, criterion: LevelLoss) -> None:
        super().__init__()
        self.network, self.criterion = network, criterion
        self.needs = Needs(Natural())

    def set_epoch(self, epoch: int, epochs: int) -> None:  # noqa: ARG002  a learner's form
        """Tell the curricula."""
        set_epoch(self.criterion, epoch)

    def forward(self, batch: Batch) -> Tensor:
        """Eq. 3."""
        loss: Tensor = self.criterion(self.network(batch.labelled.views[0]), batch.labelled.labels)
        return loss

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K] of the diagnosis."""
        levels: tuple[Tensor, ...] = self.network(images)
        return levels[-1]

    def examine(self, images: Tensor, side: Images) -> Told:  # noqa: ARG002  a learner's form
        """Logits, and where CBAM looks for the diagnosis: its places, and the channel it lets through most."""
        logits, place, channel = self.network.look(images)
        return {"logits": logits, "place": place, "channel": channel}
