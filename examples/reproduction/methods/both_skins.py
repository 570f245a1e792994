"""Each image as it is and on other skin, in one batch, and the network has to say the same of both."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from longtail_mix import MixedTarget
from longtail_mix.functional import consistency_loss
from reproduction.methods.learner import Setting
from reproduction.methods.supervised import Supervised, SupervisedLearner
from reproduction.mixes.other_skin import OtherSkin
from reproduction.training.batch import Batch, Stream
from reproduction.training.recipe import Recipe


@dataclass(frozen=True)
class BothSkins(Supervised):
    """The criterion of both, and a weight for how much the two predictions differ.

    Half of a batch's rows are used, each twice, so a step costs what it costs other methods.

    Args:
        mix: who is put on whose skin; with a probability of 1 every image.
        weight: of the consistency loss beside the criterion.
    """

    mix: OtherSkin = field(default_factory=lambda: OtherSkin(probability=1.0, keep_tone=True))
    weight: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.weight >= 0:
            raise ValueError(f"weight: expected at least 0, got {self.weight}")

    def check(self, recipe: Recipe, processes: int) -> None:
        """Whether the rows of each process have two halves."""
        super().check(recipe, processes)
        if recipe.batch_size % (2 * processes):
            raise ValueError(f"batch_size: expected a multiple of {2 * processes}, got {recipe.batch_size}")

    def build(self, setting: Setting) -> BothSkinsLearner:
        """A network that is trained whole."""
        return BothSkinsLearner(self.network(setting), self, setting)


class BothSkinsLearner(SupervisedLearner):
    """A network that learns images on their own skin and on another's."""

    method: BothSkins

    def forward(self, batch: Batch) -> Tensor:
        """The criterion of both halves, and the weighted consistency loss between them."""
        if self.mix is None or batch.partners is None:
            return super().forward(batch)
        count = len(batch.labelled.labels) // 2
        own, partners = rows(batch.labelled, count), rows(batch.partners, count)
        draws = tuple(drawn[:count] for drawn in batch.draws)
        other, _ = self.mix(own, partners, draws, self.setting.class_counts)
        logits = self.network(torch.cat([own.views[0], other]))
        criterion: Tensor = self.criterion(logits, MixedTarget.hard(own.labels.repeat(2)))
        return criterion + self.method.weight * consistency_loss(*logits.chunk(2))


def rows(stream: Stream, count: int) -> Stream:
    """The first rows of a stream."""
    views, maps = (tuple(part[:count] for part in parts) for parts in stream[:2])
    return Stream(views, maps, stream.labels[:count])
