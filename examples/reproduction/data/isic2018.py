"""ISIC 2018 Task 3 in every split that the papers and this project use, by lesion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from longtail_mix.data import (
    CLASSES,
    Isic2018,
    balanced_split,
    isic2018_masks,
    read_isic2018,
    read_isic2018_test,
    stratified_split,
)
from reproduction.data.folds import lesion_folds
from reproduction.data.task import Frame, Images, Source, Task
from reproduction.training.describe import PLACE

Rows = tuple[Tensor, Tensor, Tensor | None]
"""Training, validation (maybe empty) and test rows of the training images; None: the test has images of its own."""


class Isic2018Split(ABC):
    """Which of the 10,015 images are for what; no lesion is on two sides."""

    @abstractmethod
    def rows(self, data: Isic2018, seed: int) -> Rows:
        """Training, validation and test rows."""


@dataclass(frozen=True)
class OneForAll(Isic2018Split):
    """A split that is the same for every seed of the training.

    Args:
        seed: another seed, another split.
    """

    seed: int = field(default=0, kw_only=True)

    def rows(self, data: Isic2018, seed: int) -> Rows:  # noqa: ARG002  a split's form
        """Those of :meth:`deal`."""
        return self.deal(data)

    @abstractmethod
    def deal(self, data: Isic2018) -> Rows:
        """Training, validation and test rows."""


@dataclass(frozen=True)
class Balanced(OneForAll):
    """The SPMix paper's 7:1:2 with 40 test images a class, and 20 for validation.

    Args:
        val_per_class: 46 in the list that the authors released.
        test_per_class: images.
    """

    val_per_class: int = 20
    test_per_class: int = 40

    def deal(self, data: Isic2018) -> Rows:
        """By lesion."""
        return balanced_split(data.labels, data.lesions, self.val_per_class, self.test_per_class, self.seed)


@dataclass(frozen=True)
class Stratified(OneForAll):
    """Test and validation with the same share of every class, as CARE and the weighting study have it.

    Args:
        test_fraction: share of each class.
        val_fraction: likewise; 0: no validation.
    """

    test_fraction: float = 0.2
    val_fraction: float = 0.0

    def deal(self, data: Isic2018) -> Rows:
        """By lesion."""
        return stratified_split(data.labels, data.lesions, self.test_fraction, self.seed, self.val_fraction)


@dataclass(frozen=True)
class SplitOfSeed(Isic2018Split):
    """A stratified split of its own for each seed of the training, as the weighting study's two.

    Args:
        test_fraction: share of each class.
    """

    test_fraction: float = 0.2

    def rows(self, data: Isic2018, seed: int) -> Rows:
        """Training and test; no validation."""
        return stratified_split(data.labels, data.lesions, self.test_fraction, seed)


@dataclass(frozen=True)
class Official(OneForAll):
    """Train on the challenge's training part, validate on a share of its lesions, test on its 1,512 test images.

    Args:
        val_fraction: share of each class of the training part that is kept for validation.
    """

    val_fraction: float = 0.15

    def deal(self, data: Isic2018) -> Rows:
        """No test row: the test has images of its own."""
        rest, _, validation = stratified_split(data.labels, data.lesions, self.val_fraction, self.seed)
        return rest, validation, None


@dataclass(frozen=True)
class CrossValidation(Isic2018Split):
    """Equal folds by lesion; the first is for choosing methods and never a test, each other one is a test once.

    Seed s tests on fold 1 + s modulo (folds - 1) and trains on all the rest. So ``folds - 1`` seeds judge every image
    outside of the first fold exactly once: many more of the rarest classes than any one test side has.

    Args:
        folds: how many.
        develop: choose methods: train on all folds but the first and validate on that; there is no test.
        seed: another seed, other folds.
    """

    folds: int = 6
    develop: bool = False
    seed: int = 0

    def rows(self, data: Isic2018, seed: int) -> Rows:
        """Of the fold that belongs to the seed."""
        fold = lesion_folds(data.labels, data.lesions, self.folds, self.seed)
        if self.develop:
            validation = (fold == 0).nonzero().flatten()
            return (fold != 0).nonzero().flatten(), validation, validation[:0]
        test = 1 + seed % (self.folds - 1)
        nothing = torch.empty(0, dtype=torch.int64)
        return (fold != test).nonzero().flatten(), nothing, (fold == test).nonzero().flatten()


@dataclass(frozen=True)
class ISIC2018(Source):
    """HAM10000 as the challenge hands it out, under ``ISIC2018_ROOT``.

    Args:
        split: which images are for what.
        root: the folder of the training part; default: the environment variable ``ISIC2018_ROOT``.
        test_root: of the official test; default: ``ISIC2018_TEST_ROOT``, or the same folder.
        with_masks: read the lesion masks as well.
    """

    split: Balanced | Stratified | SplitOfSeed | Official | CrossValidation = field(default_factory=Balanced)
    root: Path | None = field(default=None, metadata=PLACE)
    test_root: Path | None = field(default=None, metadata=PLACE)
    with_masks: bool = False

    def task(self, frame: Frame, seed: int) -> Task:
        """The sides of the split."""
        data = read_isic2018(self.root)
        train, validation, test = self.split.rows(data, seed)
        images = frame.images(data.paths)
        masks = frame.masks(isic2018_masks(data)) if self.with_masks else None
        everything = Images(images, data.labels, data.lesions, masks)

        def load_test() -> Images:
            return self._official(frame) if test is None else everything.rows(test)

        aside = everything.rows(validation) if len(validation) else None
        return Task(f"ISIC 2018, {type(self.split).__name__}", CLASSES, everything.rows(train), load_test, aside)

    def _official(self, frame: Frame) -> Images:
        data = read_isic2018_test(self.test_root or self.root)
        return Images(frame.images(data.paths), data.labels, data.lesions)
