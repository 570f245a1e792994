"""CARE (Zhuang et al. 2023) in its two stages, and the same without the attention loss to compare."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from longtail_mix import GradCAM
from longtail_mix._distributed import total, world_size
from longtail_mix.functional import care_attention_loss, care_loss
from reproduction.data.boxes import Boxes, Segmented
from reproduction.data.task import Images
from reproduction.methods.frozen import part_of
from reproduction.methods.learner import Method, Setting, Told, check_share
from reproduction.methods.sampling import ByClass
from reproduction.methods.supervised import Supervised, SupervisedLearner
from reproduction.networks.branches import freeze_before, last_stages
from reproduction.networks.network import Network
from reproduction.training.batch import Batch, Needs
from reproduction.training.printed_views import TurnedViews
from reproduction.training.recipe import Recipe


@dataclass(frozen=True)
class Plain(Supervised):
    """The first stage: plain training, of a network whose maps can be looked at.

    Args:
        sampling: which images, and how often.
        criterion: the loss.
        mix: None: the images as they are.
        mix_from: begin to mix after this share of the epochs.
        mix_until: and stop after that one.
        layer: of the encoder, where Grad-CAM is taken; None: the last feature map before pooling.
        views: how views are cut, where it is not as the recipe says: more augmentation.
    """

    layer: str | None = None
    views: TurnedViews | None = None

    def objective(self, criterion: nn.Module, network: Network) -> nn.Module:  # noqa: ARG002  others add to it
        """What is minimised: the criterion of logits and labels."""
        return criterion

    def build(self, setting: Setting) -> LookingLearner:
        """With new weights."""
        network = self.network(setting)
        network.check_map(setting.size, self.layer)
        return LookingLearner(network, self, setting)


@dataclass(frozen=True)
class Continued(Method):
    """The second stage without the attention loss: what more training alone is worth.

    Args:
        first: the first stage; the loss and the layer are its own.
        share: of the training's steps, beside those of the first stage.
        views: as in the first stage.
        sampling: another one than in the first stage.
        last_stage_only: what comes before the encoder's last stage asks for no gradient: Decoupling, as CARE's paper
            has it ("the first 7 layers", where ResNet's layer4 is the eighth). BatchNorm's statistics go on.
    """

    first: Plain = field(default_factory=Plain)
    share: float = 1.0
    views: TurnedViews | None = None
    sampling: ByClass | None = field(default=None, kw_only=True)
    last_stage_only: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_share(self.share)

    @property
    def stage(self) -> Plain:
        """The first stage as this one goes on with it."""
        return self.first if self.sampling is None else replace(self.first, sampling=self.sampling)

    def network(self, setting: Setting) -> Network:
        """That of the first stage, some of it frozen."""
        network = self.first.network(setting)
        network.check_map(setting.size, self.first.layer)
        if self.last_stage_only:
            freeze_before(network.encoder, last_stages(network.encoder, 1))
        return network

    def build(self, setting: Setting) -> LookingLearner:
        """To start from the first stage's weights."""
        return LookingLearner(self.network(setting), self.stage, setting)


@dataclass(frozen=True)
class CARE(Continued):
    """The second stage: ``(1 - alpha) L_c + alpha L_a`` with Grad-CAM inside of the step (Eqs. 4 to 7).

    Args:
        boxes: where lesions are, for the rarest classes; what stands before it is as in :class:`Continued`.
        alpha: weight of the attention loss.
        tau: how much attention inside is enough.
        lam: weight of the attention outside.
        over_all_images: average L_a over all images of a batch, as the paper's words say ("over all training data"),
            and not over those with a box, as its pseudocode does for a batch. On its skin images, of which one in 87
            has a box, L_a is then 87 times weaker.
    """

    boxes: Boxes = field(default_factory=Boxes)
    alpha: float = 0.5
    tau: float = 0.7
    lam: float = 1.0
    over_all_images: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha: expected 0 to 1, got {self.alpha}")

    @property
    def maps(self) -> Boxes:
        """The boxes, through the same crops as the images."""
        return self.boxes

    def check(self, recipe: Recipe, processes: int) -> None:  # noqa: ARG002  a method's form
        """Whether there is a segmenter where one is to find the boxes."""
        if isinstance(self.boxes.source, Segmented):
            self.boxes.source.check()

    def build(self, setting: Setting) -> CARELearner:
        """To start from the first stage's weights."""
        return CARELearner(self.network(setting), self, setting)


class LookingLearner(SupervisedLearner):
    """A learner that also tells where it looks."""

    def __init__(self, network: Network, method: Plain, setting: Setting) -> None:
        super().__init__(network, method, setting)
        self.criterion = method.objective(self.criterion, network)
        self.layer = method.layer

    def start_from(self, state: dict[str, Any]) -> None:
        """The whole network."""
        self.network.load_state_dict(part_of(state, "network."))

    def examine(self, images: Tensor, side: Images) -> Told:
        """Logits, and Grad-CAM of the true class [B, 1, h, w] in [0, 1]."""
        with GradCAM(self.network, self.network.map_layer(self.layer)) as grad_cam:
            logits, cam = grad_cam.logits_and_cam(images, side.labels)
        return {"logits": logits.detach(), "cam": cam}


class CARELearner(LookingLearner):
    """A learner that is told where to look."""

    def __init__(self, network: Network, method: CARE, setting: Setting) -> None:
        super().__init__(network, method.stage, setting)
        self.care = method

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Tell the criterion; boxes come with the images."""
        super().set_epoch(epoch, epochs)
        self.needs = Needs(self.method.sampling, maps=True)

    def forward(self, batch: Batch) -> Tensor:
        """Eq. 4, of this process."""
        images, labels = batch.labelled.views[0], batch.labelled.labels
        with GradCAM(self.network, self.network.map_layer(self.layer), create_graph=True) as grad_cam:
            logits, cam = grad_cam.logits_and_cam(images, labels)
        return care_loss(self.criterion(logits, labels), self.attention(cam, batch.labelled.maps[0]), self.care.alpha)

    def attention(self, cam: Tensor, boxes: Tensor) -> Tensor:
        """L_a; the mean of the processes' values is that of the whole batch."""
        inside = boxes.clamp(0, 1)
        has_box = inside.flatten(1).any(1)
        over_own = care_attention_loss(cam, inside, has_box, self.care.tau, self.care.lam)  # the mean over those
        count = has_box.sum()
        if self.care.over_all_images:
            return over_own * (count / len(boxes))
        return over_own * (count * world_size() / total(count).clamp(min=1))


def attention_means(cam: Tensor, masks: Tensor) -> Tensor:
    """The mean of each map inside and outside of its lesion [N, 2], float64; NaN where there is none of it."""
    parts = []
    for some, mask in zip(cam.double().split(256), masks.split(256), strict=True):
        full = torch.nn.functional.interpolate(some, mask.shape[-2:], mode="bilinear", align_corners=False)
        means = [(full * part).sum((1, 2, 3)) / part.sum((1, 2, 3)) for part in (mask, ~mask)]
        parts.append(torch.stack(means, 1))
    return torch.cat(parts)
