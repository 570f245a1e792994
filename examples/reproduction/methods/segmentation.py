"""A lesion segmenter that learns the Dice loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kornia.losses import dice_loss
from torch import Tensor, nn

from longtail_mix import SegmentationSaliency
from reproduction.data.maps import GroundTruth
from reproduction.data.task import Images
from reproduction.methods.learner import Learner, Method, Setting, Told
from reproduction.methods.sampling import Natural
from reproduction.networks.segmenters import build_segmenter
from reproduction.training.batch import Batch, Needs


@dataclass(frozen=True)
class Segmentation(Method):
    """Which pixels show the lesion, learnt from ground-truth masks with the Dice loss; without pretrained weights.

    Args:
        network: lraspp (3.2 million weights, fit for a CPU) or deeplabv3 (on a ResNet-50, the CARE paper's).
    """

    network: Literal["lraspp", "deeplabv3"] = "lraspp"

    @property
    def maps(self) -> GroundTruth:
        """The masks, through the same crops as the images."""
        return GroundTruth()

    def score(self, told: Told, side: Images) -> float:  # noqa: ARG002  a method's form
        """The mean Dice coefficient of the images."""
        return float(told["dice"].mean())

    def build(self, setting: Setting) -> SegmentationLearner:
        """With fresh weights."""
        return SegmentationLearner(build_segmenter(self.network, setting.size))


class SegmentationLearner(Learner):
    """A network from images to logits of background and lesion."""

    find_unused_parameters = True  # LR-ASPP and DeepLabV3 have weights that the output does not depend on

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.needs = Needs(Natural(), maps=True)

    def forward(self, batch: Batch) -> Tensor:
        """1 minus the Dice coefficient of each image, averaged."""
        logits = self.network(batch.labelled.views[0])["out"]
        loss: Tensor = dice_loss(logits, (batch.labelled.maps[0][:, 0] > 0.5).long())
        return loss

    def predict(self, images: Tensor) -> Tensor:
        """The probability of the lesion [B, 1, S, S]."""
        probability: Tensor = SegmentationSaliency(self.network)(images)
        return probability

    def examine(self, images: Tensor, side: Images) -> Told:
        """The Dice coefficient of each image at probability 0.5, at the size of its mask."""
        if side.masks is None:
            raise ValueError("masks: expected images with ground-truth masks, got none")
        lesions = self.predict(images)
        if lesions.shape != side.masks.shape:
            size = (side.masks.shape[2], side.masks.shape[3])
            lesions = nn.functional.interpolate(lesions, size, mode="bilinear", align_corners=False)
        return {"dice": dice(lesions > 0.5, side.masks)}


def dice(lesions: Tensor, masks: Tensor) -> Tensor:
    """Twice the overlap over the sum of the areas, [B]; 0 where both are empty."""
    both = (lesions & masks).sum((1, 2, 3))
    return 2 * both / (lesions.sum((1, 2, 3)) + masks.sum((1, 2, 3))).clamp(min=1)
