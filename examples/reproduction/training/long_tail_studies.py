"""The LSM paper's trainings on its own data sets."""

from __future__ import annotations

from pathlib import Path

from longtail_mix.data import long_tail_counts
from reproduction.data.cifar_lt import CifarLT
from reproduction.data.frames import CentreCrop, Squash
from reproduction.data.inaturalist import INaturalist2018
from reproduction.data.listed import ImageNetLT
from reproduction.networks.network import Backbone
from reproduction.training.optimisers import SGD, Cosine, Steps
from reproduction.training.printed_views import ShiftedViews, UprightViews
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


def imagenet_lt(out: Path) -> Study:
    """The paper's: ImageNet-LT, ResNet-50 from new weights, SGD from 0.1, batches of 256, 100 epochs; see `large`."""
    return large(ImageNetLT(), 115_846, 256, 100, 5e-4, out / "imagenet-lt")


def inaturalist2018(out: Path) -> Study:
    """The paper's: iNaturalist 2018, ResNet-50 from new weights, SGD from 0.1, batches of 512, 200 epochs."""
    return large(INaturalist2018(), 437_513, 512, 200, 1e-4, out / "inaturalist2018")


def large(
    data: ImageNetLT | INaturalist2018, images: int, batch_size: int, epochs: int, decay: float, out: Path
) -> Study:
    """Not printed, and as the code of Kang et al. 2020 has it: the weight decay, half a cosine, no warm-up.

    Views of 224 pixels are cut from the middle square of each image, scaled to 256; a test sees all of that square.
    """
    return Study(
        data,
        Recipe(
            Backbone("resnet50", "none"),
            CentreCrop(256),
            UprightViews(224, crop_scale=(0.08, 1.0)),
            images=epochs * (images // batch_size) * batch_size,
            batch_size=batch_size,
            optimiser=SGD(0.1, decay),
            schedule=Cosine(warmup=0.0),
            keep_best=False,
        ),
        test=True,
        out=out,
        frames_on="host",
    )
