"""The LSM paper's trainings on its own data sets."""

from __future__ import annotations

from pathlib import Path

from longtail_mix.data import long_tail_counts
from reproduction.data.cifar_lt import CifarLT
from reproduction.data.frames import Squash
from reproduction.networks.network import Backbone
from reproduction.training.optimisers import SGD, Steps
from reproduction.training.printed_views import ShiftedViews
from reproduction.training.recipe import Recipe
from reproduction.training.study import Study


def cifar100_lt(imbalance: float, out: Path) -> Study:
    """The paper's: CIFAR-100-LT, ResNet-32, SGD with momentum 0.9 from 0.01, batches of 128, 200 epochs.

    The rate falls to a hundredth at 160 and 180 epochs and re-weighting begins with the first, as Cao et al. 2019 have
    it; this, the weight decay and the views are theirs and not printed. For another --data.imbalance give
    --recipe.images, too.
    """
    steps_per_epoch = sum(long_tail_counts(500, 100, imbalance)) // 128
    return Study(
        CifarLT(100, imbalance),
        Recipe(
            Backbone("resnet32", "none"),
            Squash(32),
            ShiftedViews(32, shift=4),
            images=200 * steps_per_epoch * 128,
            batch_size=128,
            optimiser=SGD(0.01, 2e-4),
            schedule=Steps((0.8, 0.9), 0.01),
            keep_best=False,
        ),
        test=True,
        out=out / f"cifar100-{imbalance:g}",
    )
