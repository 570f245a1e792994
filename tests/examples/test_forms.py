"""The forms that no paper has: made-up images, ISIC 2018, your own images; each written out once more."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from reproduction.data.frames import Squash
from reproduction.data.isic2018 import ISIC2018, Balanced, CrossValidation, Official, SplitOfSeed, Stratified
from reproduction.data.lesions import Lesions
from reproduction.data.own import Folder, Table
from reproduction.data.synthetic import Synthetic
from reproduction.data.white_light import WhiteLight
from reproduction.networks.network import Backbone
from reproduction.training.optimisers import SGD, Adam, AdamW, Cosine, Steps
from reproduction.training.printed_views import TurnedViews
from reproduction.training.recipe import Recipe
from reproduction.training.views import ViewSettings

SMALL = Recipe(
    *(Backbone("test_resnet", "none", None), Squash(64), ViewSettings(64, (0.4, 1.0), (3 / 4, 4 / 3), 0.5, 0, 9.0)),
    *(19_200, 64, AdamW(2e-3, 0.05), Cosine(0.05), 0.0, "no", True),
)
LAST = replace(SMALL, keep_best=False)
STRIDE = Backbone("test_resnet", "none", 8)
REAL = Recipe(
    *(Backbone("tf_efficientnet_lite0", "package", None), Squash(128), replace(SMALL.views, size=96)),
    *(64_000, 64, AdamW(5e-4, 0.05), Cosine(0.05), 0.0, "no", False),
)
DECAY = Steps((0.5, 0.75), 0.1)
TURNED = TurnedViews(96, (0.7, 1.0), (0.9, 1.1), 0.5, 0, 9.0, rotation=0.0, jitter=0.1)
STUDY = replace(REAL, views=TURNED, batch_size=20, optimiser=AdamW(2e-4, 0.0), schedule=DECAY)
LESIONS = Recipe(
    *(Backbone("test_resnet", "none", None), Squash(128)),
    TurnedViews(128, (0.25, 1.0), (3 / 4, 4 / 3), 0.5, 0, 9.0, rotation=180.0, jitter=0.2),
    *(48_000, 32, AdamW(2e-3, 0.01), Cosine(0.1), 0.0, "no", False),
)
RECIPES = {
    "spmix": {
        "short": replace(SMALL, backbone=Backbone("tiny_hybrid", "none"), images=6_400, optimiser=AdamW(1e-3, 0.05)),
        "isic2018": replace(REAL, keep_best=True),
    },
    "care": {"short": replace(LAST, backbone=STRIDE), "isic2018": REAL},
    "lsm": {
        "short": replace(
            LAST,
            backbone=STRIDE,
            frame=Squash(32),
            views=replace(SMALL.views, size=32),
            images=24_320,
            optimiser=SGD(0.05, 2e-4, False),
            schedule=Steps((0.8, 0.9), 0.01),
        ),
        "isic2018": REAL,
    },
    "weighting": {
        "short": replace(LAST, views=replace(TURNED, size=64), optimiser=Adam(2e-3), schedule=DECAY),
        "isic2018": STUDY,
    },
    "compare": {"short": SMALL, **dict.fromkeys(("isic2018", "cross-validation", "balanced", "official"), REAL)},
    "segmenter": {
        "short": replace(LESIONS, frame=Squash(64), views=replace(LESIONS.views, size=64), images=3_200),
    },
}
DATA = {
    "spmix": ISIC2018(Balanced(20, 40)),
    "care": ISIC2018(Stratified(0.2, 0.0), with_masks=True),
    "lsm": ISIC2018(Balanced(20, 40)),
    "weighting": WhiteLight(ISIC2018(SplitOfSeed(0.2)), 6.0),
    "compare": ISIC2018(CrossValidation(6, develop=True), with_masks=True),
}
SPLITS = {
    "cross-validation": CrossValidation(6, False),
    "balanced": Balanced(20, 40),
    "official": Official(0.15),
}
JUDGED_ON_THE_TEST = {"care", "weighting", "segmenter"}  # they choose nothing, and have no validation


@pytest.mark.parametrize(("program", "form"), [(p, form) for p, forms in RECIPES.items() for form in forms])
def test_a_form_is_trained_as_written_here(program, form):
    study = import_module(program).FORMS[form][1]
    assert study.recipe == RECIPES[program][form]
    assert study.test == (form == "short" or program in JUDGED_ON_THE_TEST)
    assert (study.seeds, study.swaps) == ((0, 1) if program == "weighting" else (0,), 0)
    assert study.out == Path("runs") / program / form


@pytest.mark.parametrize("program", DATA)
def test_the_data_of_each_program(program):
    forms = {name: study for name, (_, study) in import_module(program).FORMS.items()}
    made_up = Synthetic(0.9, (1200, 420, 360, 240, 120, 60, 30), 60, 20, 0)
    assert forms["short"].data == (WhiteLight(made_up, 6.0) if program == "weighting" else made_up)
    assert forms["isic2018"].data == DATA[program]
    for form, split in SPLITS.items() if program == "compare" else ():
        assert forms[form].data == replace(DATA["compare"], split=split)
    judged = forms["official" if program == "compare" else "isic2018"]
    assert (forms["folder"].data, forms["table"].data) == (Folder(Path("data")), Table(Path("data/table.csv")))
    assert forms["folder"].recipe == forms["table"].recipe == judged.recipe
    minutes = forms["isic2018-short"]
    assert minutes.recipe == replace(forms["isic2018"].recipe, images=1_600)
    assert (minutes.data, minutes.seeds) == (forms["isic2018"].data, (0,))


def test_the_segmenters_sets():
    forms = import_module("segmenter").FORMS
    assert forms["short"][1].data == Lesions(("synthetic",))
    assert forms["isic2018-short"][1].data == Lesions(("isic2018",))
    assert forms["isic2018-short"][1].recipe == replace(LESIONS, images=1_600, batch_size=8)
