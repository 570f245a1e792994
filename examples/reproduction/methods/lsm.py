"""LSM (Lv et al. 2025): blocks of a tail image that the network looks at, on a head image; our reading of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from longtail_mix import GradCAM, MixedTarget, set_epoch
from longtail_mix.functional import lsm
from reproduction.criteria.losses import AnyCriterion, CrossEntropy
from reproduction.methods.learner import Learner, Method, Setting
from reproduction.methods.sampling import ByClass, Natural
from reproduction.methods.supervised import Supervised
from reproduction.mixes.mix import kept, uniform
from reproduction.networks.network import Network
from reproduction.training.batch import Batch, Needs
from reproduction.training.recipe import Recipe


@dataclass(frozen=True)
class LSM(Method):
    """Two streams: class-balanced tails, and heads as the images come. A block of the mix shows as much of the tail
    as the network's Grad-CAM of it is there; the label follows.

    Args:
        criterion: the loss; margins and priors are those of the training images.
        blocks: along a side: blocks of 4 pixels for images of 32, of 28 for those of 224.
        probability: with which a tail is mixed. Below 1 the network also sees what it is tested on.
        layer: of the encoder, where Grad-CAM is taken; None: the last feature map.
    """

    criterion: AnyCriterion = field(default_factory=CrossEntropy)
    blocks: int = 8
    probability: float = 1.0
    layer: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability: expected 0 to 1, got {self.probability}")

    def check(self, recipe: Recipe, processes: int) -> None:  # noqa: ARG002  a method's form
        """Whether blocks tile the views."""
        if self.blocks < 1 or recipe.views.size % self.blocks:
            raise ValueError(f"blocks: expected a divisor of {recipe.views.size}, a view's side, got {self.blocks}")

    def build(self, setting: Setting) -> LSMLearner:
        """A network with a linear classifier, or a cosine one where the loss wants that."""
        network = Supervised(criterion=self.criterion).network(setting)
        network.check_map(setting.size, self.layer)
        return LSMLearner(network, self, setting)


class LSMLearner(Learner):
    """A network that makes the masks of its own mixes."""

    def __init__(self, network: nn.Module, method: LSM, setting: Setting) -> None:
        super().__init__()
        self.network, self.method = network, method
        self.criterion = method.criterion.build(setting, setting.class_counts)
        # `labelled` are the tails: the first label of a mix is theirs.
        self.needs = Needs(ByClass(0.0), Natural(), draw=lambda count, generator: (uniform([count], generator),))

    def set_epoch(self, epoch: int, epochs: int) -> None:  # noqa: ARG002  a learner's form
        """Tell the criterion."""
        set_epoch(self.criterion, epoch)

    def forward(self, batch: Batch) -> Tensor:
        """The criterion of the mixes."""
        images, target = self.mixed(batch)
        loss: Tensor = self.criterion(self.network(images), target)
        return loss

    def mixed(self, batch: Batch) -> tuple[Tensor, MixedTarget]:
        """The mixes, and how much of their labels is whose."""
        tail, head, (drawn,) = batch.labelled, batch.partners, batch.draws
        assert head is not None
        cam = self.look(tail.views[0], tail.labels)
        pair = tail.views[0], tail.labels, head.views[0], head.labels
        mixed, target = lsm(*pair, cam, block_size=tail.views[0].shape[-1] // self.method.blocks)
        return kept(drawn < self.method.probability, tail, mixed, target)

    def look(self, images: Tensor, labels: Tensor) -> Tensor:
        """Grad-CAM of images for their labels, [B, 1, h, w] in [0, 1]."""
        network = self.network
        assert isinstance(network, Network)
        with GradCAM(network, network.map_layer(self.method.layer)) as grad_cam:
            return grad_cam(images, labels)

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K]."""
        logits: Tensor = self.network(images)
        return logits
