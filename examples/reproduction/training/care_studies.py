"""CARE's trainings on its own data sets."""

from __future__ import annotations

from pathlib import Path

from reproduction.data.frames import Squash
from reproduction.data.isic2018 import ISIC2018, Stratified
from reproduction.data.pneumonia import Pneumonia
from reproduction.data.synthetic import Synthetic
from reproduction.networks.network import Backbone
from reproduction.training.optimisers import AdamW, Constant
from reproduction.training.recipe import Recipe
from reproduction.training.study import Study
from reproduction.training.views import ViewSettings

WHOLE = ViewSettings(224, crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0), flip=0.0)
SKIN = ISIC2018(Stratified(0.2), with_masks=True)
FILMS = Pneumonia()
TRAINED_ON = {SKIN: 8012, FILMS: 11_974}


def care_study(data: Synthetic | ISIC2018 | Pneumonia, recipe: Recipe, out: Path) -> Study:
    """Cost-sensitive learning with and without CARE, judged on the test side."""
    return Study(data, recipe, ("csl", "csl-continued", "csl+care"), test=True, out=out)


def paper(backbone: str, data: ISIC2018 | Pneumonia, out: Path) -> Study:
    """Table 1: AdamW from 1e-4, batches of 96, 200 epochs for each stage; whole frames of 224 pixels, 80/20.

    No schedule and no decay are printed.
    """
    recipe = Recipe(
        Backbone(backbone, "hub"),
        Squash(224),
        WHOLE,
        images=200 * (TRAINED_ON[data] // 96) * 96,
        batch_size=96,
        optimiser=AdamW(1e-4, 0.0),
        schedule=Constant(),
        keep_best=False,
    )
    return care_study(data, recipe, out)
