"""BALLAD: CLIP goes on learning from the long tail, then an adapter from balanced classes (Ma et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproduction.methods.frozen import part_of
from reproduction.methods.learner import Learner, Method, Setting, check_share
from reproduction.methods.sampling import ByClass, Natural
from reproduction.networks.clip import CLIP, Towers
from reproduction.training.batch import Batch, Needs
from reproduction.training.optimisers import SGD, Adam, AdamW
from reproduction.training.recipe import Recipe

SKIN_LESIONS = (  # in the order of ISIC 2018's classes
    "melanoma",
    "melanocytic nevus",
    "basal cell carcinoma",
    "actinic keratosis",
    "benign keratosis",
    "dermatofibroma",
    "vascular lesion",
)
SCALE = 100.0  # of the cosines; the released code's


@dataclass(frozen=True)
class Aligned(Method):
    """Phase A: both towers learn the cross entropy of an image's similarities to the prompts of all classes, on the
    images as they come; as the released code has it. The recipe's network is not used.

    Args:
        clip: the model.
        names: of the classes.
        prompt: with a place for the name.
    """

    clip: CLIP = field(default_factory=CLIP)
    names: tuple[str, ...] = SKIN_LESIONS
    prompt: str = "a photo of a {}."

    def check(self, recipe: Recipe, processes: int) -> None:  # noqa: ARG002  a method's form
        """Whether the model is to be had, and takes such views."""
        self.clip.check(recipe.views.size)

    def towers(self, setting: Setting) -> Towers:
        """The model with the prompts.

        Raises:
            ValueError: another number of names than of classes.
        """
        if len(self.names) != len(setting.class_counts):
            raise ValueError(f"names: expected {len(setting.class_counts)}, one for each class, got {len(self.names)}")
        return self.clip.build(setting.size, [self.prompt.format(name) for name in self.names])

    def build(self, setting: Setting) -> AlignedLearner:
        """From the model's weights."""
        return AlignedLearner(self.towers(setting))


@dataclass(frozen=True)
class BALLAD(Method):
    """Phase B: both towers stay, and a linear adapter of the image features learns from balanced classes::

        f' = ratio A f + (1 - ratio) f,    logits = 100 cos(f', text)

    Args:
        first: phase A.
        ratio: of what is adapted; the released code's.
        share: phase B's steps, as a share of the budget; beside those of phase A. Ours.
        optimiser: of phase B; None: the recipe's. Ours.
    """

    first: Aligned = field(default_factory=Aligned)
    ratio: float = 0.2
    share: float = 0.2
    optimiser: AdamW | Adam | SGD | None = field(default_factory=lambda: SGD(0.025, 5e-4))

    def __post_init__(self) -> None:
        check_share(self.share)
        if not 0 < self.ratio <= 1:
            raise ValueError(f"ratio: expected above 0 and at most 1, got {self.ratio}")

    def check(self, recipe: Recipe, processes: int) -> None:
        """As phase A."""
        self.first.check(recipe, processes)

    def build(self, setting: Setting) -> AdapterLearner:
        """With a new adapter."""
        return AdapterLearner(self.first.towers(setting), self.ratio)


class AlignedLearner(Learner):
    """Two towers whose features are compared."""

    def __init__(self, towers: Towers) -> None:
        super().__init__()
        self.towers, self.needs = towers, Needs(Natural())

    def forward(self, batch: Batch) -> Tensor:
        """The cross entropy of the similarities."""
        return F.cross_entropy(self.predict(batch.labelled.views[0]), batch.labelled.labels)

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K]: a hundred times the cosines."""
        return SCALE * F.normalize(self.seen(images)) @ F.normalize(self.towers.texts()).T

    def seen(self, images: Tensor) -> Tensor:
        """The features of images that are compared, [B, D]."""
        return self.towers.images(images)


class AdapterLearner(AlignedLearner):
    """An adapter on two towers that stay."""

    def __init__(self, towers: Towers, ratio: float) -> None:
        super().__init__(towers)
        towers.requires_grad_(False)
        self.adapter = nn.Linear(towers.width, towers.width, bias=False)
        self.ratio, self.needs = ratio, Needs(ByClass(0.0))

    def train(self, mode: bool = True) -> AdapterLearner:
        """The towers are as in a test."""
        super().train(mode)
        self.towers.eval()
        return self

    def seen(self, images: Tensor) -> Tensor:
        """Adapted by a part."""
        with torch.no_grad():
            features = self.towers.images(images)
        adapted: Tensor = self.adapter(features)
        return self.ratio * adapted + (1 - self.ratio) * features

    def start_from(self, state: dict[str, Any]) -> None:
        """Both towers."""
        self.towers.load_state_dict(part_of(state, "towers."))
