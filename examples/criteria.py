"""The losses and weights of the library by name, for the command lines of all examples: one option each.

parser = ArgumentParser(); add_criterion_options(parser)
criterion = build_criterion(options.loss, options.weights, class_counts, epochs, batch_size)
for epoch in range(epochs):
    set_epoch(criterion, epoch)
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from torch import nn

from longtail_mix import (
    BalancedSoftmaxLoss,
    ClassBalancedWeights,
    ClassWiseHardExamples,
    DeferredWeighting,
    EffectiveNumberWeights,
    FocalLoss,
    HardExamples,
    LabelAwareSmoothingLoss,
    LADELoss,
    LDAMLoss,
    LogitAdjustmentLoss,
    Pace,
    SelfPaced,
    WeightedCrossEntropy,
    mean_one_over_classes,
    mean_one_over_images,
)

LOSSES = ("ce", "focal", "ldam", "balanced-softmax", "logit-adjustment", "lade", "label-aware-smoothing")
WEIGHTS = ("none", "cb", "es", "spl", "ohem", "class-ohem", "drw")
CRITERIA = tuple((loss, weights) for loss in LOSSES for weights in WEIGHTS)


def add_criterion_options(parser: argparse.ArgumentParser) -> None:
    """``--loss`` and ``--weights``."""
    parser.add_argument("--loss", choices=LOSSES, default="ce")
    parser.add_argument("--weights", choices=WEIGHTS, default="none", help="who counts how much in the loss")


def build_weighting(weights: str, class_counts: Sequence[int], epochs: int, batch_size: int) -> nn.Module | None:
    """A weighting by its name; those by class are scaled so that a training image weighs 1 on average."""
    counts = list(class_counts)
    makers: dict[str, Callable[[], nn.Module | None]] = {
        "none": lambda: None,
        "cb": lambda: ClassBalancedWeights(counts, mean_one_over_images),
        "es": lambda: EffectiveNumberWeights(counts, None, mean_one_over_images),
        "spl": lambda: SelfPaced(Pace(epochs, batch_size)),
        "ohem": lambda: HardExamples(Pace(epochs, batch_size)),
        "class-ohem": lambda: ClassWiseHardExamples(Pace(epochs, batch_size)),
        # Cao et al. 2019: from four fifths of the training on.
        "drw": lambda: DeferredWeighting(
            EffectiveNumberWeights(counts, 0.9999, mean_one_over_classes), start_epoch=epochs * 4 // 5
        ),
    }
    return makers[weights]()


def build_criterion(loss: str, weights: str, class_counts: Sequence[int], epochs: int, batch_size: int) -> nn.Module:
    """A loss and its weighting by their names; call ``longtail_mix.set_epoch(criterion, epoch)`` each epoch."""
    counts = list(class_counts)
    weighting = build_weighting(weights, counts, epochs, batch_size)
    makers: dict[str, Callable[[], nn.Module]] = {
        "ce": lambda: WeightedCrossEntropy(weighting),
        "focal": lambda: FocalLoss(1.0, weighting),  # the gamma Barata and Santiago found best most often
        # On plain logits: a scale of 30 is for cosines.
        "ldam": lambda: LDAMLoss(counts, scale=1.0, weighting=weighting),
        "balanced-softmax": lambda: BalancedSoftmaxLoss(counts, weighting),
        "logit-adjustment": lambda: LogitAdjustmentLoss(counts, weighting=weighting),
        "lade": lambda: LADELoss(counts, weighting=weighting),
        "label-aware-smoothing": lambda: LabelAwareSmoothingLoss(counts, weighting=weighting),
    }
    return makers[loss]()
