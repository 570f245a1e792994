"""Made-up dermoscopy with a long tail, whose skin gives the class away in training and says nothing in the test."""

from __future__ import annotations

from dataclasses import dataclass

from longtail_mix.data import LESION_TYPES, synthetic_dermoscopy
from reproduction.data.task import Frame, Images, Source, Task

COUNTS = (
    1200,
    420,
    360,
    240,
    120,
    60,
    30,
)  # like ISIC 2018: half of the images show the first class, 1 in 100 the last


@dataclass(frozen=True)
class Synthetic(Source):
    """Made-up dermoscopy; nothing to download.

    Args:
        background_cue: how often a training image's skin tells its class.
        counts: training images of each class.
        test_per_class: test images; their skin says nothing.
        validation_per_class: likewise.
        seed: another seed, other images.
    """

    background_cue: float = 0.9
    counts: tuple[int, ...] = COUNTS
    test_per_class: int = 60
    validation_per_class: int = 20
    seed: int = 0

    def task(self, frame: Frame, seed: int) -> Task:  # noqa: ARG002  the same images for every seed
        """The sides; drawn at the frame's size."""

        def side(per_class: list[int], seed: int, cue: float = 0.0) -> Images:
            made = synthetic_dermoscopy(per_class, frame.size, seed=seed, background_cue=cue)
            return Images(made.images, made.labels, made.lesions, made.masks)

        classes = len(self.counts)
        train = side(list(self.counts), 2 * self.seed, self.background_cue)
        aside = side([self.validation_per_class] * classes, -1 - self.seed) if self.validation_per_class else None
        return Task(
            f"synthetic, background cue {self.background_cue}",
            LESION_TYPES[:classes],
            train,
            lambda: side([self.test_per_class] * classes, 2 * self.seed + 1),
            aside,
        )
