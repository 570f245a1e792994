"""The weighting program: its rows, the paper's settings written out once more, one short run."""

import json
import sys

import pytest

import weighting
from reproduction.criteria.weightings import ClassBalanced, EasyFirst, EffectiveNumber, HardFirst, NoWeights
from reproduction.data.isic2018 import ISIC2018, SplitOfSeed, Stratified
from reproduction.data.white_light import WhiteLight
from reproduction.methods.diagnosis import Flat, Hierarchical
from reproduction.reports.program import run
from reproduction.reports.weighting import loss_name
from reproduction.training.describe import describe
from reproduction.training.train import steps_of


def test_the_rows_are_the_tables():
    weightings = {
        "none": NoWeights(),
        "cb": ClassBalanced(),
        "es": EffectiveNumber(None, False),
        "spl": EasyFirst(),
        "ohem": HardFirst(False),
        "class-ohem": HardFirst(True),
    }
    expected = {}
    for name, own in weightings.items():
        for loss, gamma in (("ce", 0.0), ("focal", 1.0)):
            expected[f"flat-{loss}-{name}"] = Flat(gamma, own, 0.6)
            expected[f"hierarchical-{loss}-{name}"] = Hierarchical(gamma, own, 1.0, 64)
    for gamma, name in ((0.5, "0.5"), (2.0, "2"), (5.0, "5")):
        expected[f"flat-focal{name}-none"] = Flat(gamma, NoWeights(), 0.6)
        expected[f"hierarchical-focal{name}-none"] = Hierarchical(gamma, NoWeights(), 1.0, 64)
    assert expected == weighting.ROWS


def test_gamma_is_chosen_on_validation_lesions():
    study = weighting.FORMS["gamma"][1]
    assert study.data == WhiteLight(ISIC2018(Stratified(0.2, val_fraction=0.1)), 6.0)
    assert not study.test
    assert study.recipe == weighting.FORMS["isic2018"][1].recipe
    assert [weighting.ROWS[name].gamma for name in study.methods] == [0.0, 0.5, 1.0, 2.0, 5.0]
    assert all(name.startswith("hierarchical") for name in study.methods)
    assert [loss_name(name.split("-")[1]) for name in study.methods[:3]] == ["CEL", "FL, gamma 0.5", "FL"]


@pytest.mark.parametrize(
    ("form", "optimiser"),
    [
        ("paper", {"is": "Adam", "learning_rate": 1e-5}),
        ("paper-sgd", {"is": "SGD", "learning_rate": 1e-4, "weight_decay": 0.0, "nesterov": True}),
    ],
)
def test_the_papers_forms(form, optimiser):
    study = weighting.FORMS[form][1]
    assert study.data == WhiteLight(ISIC2018(SplitOfSeed(0.2)), 6.0)
    assert (study.seeds, study.methods, study.test) == ((0, 1), (), True)
    assert describe(study.recipe) == {
        "is": "Recipe",
        "backbone": {"is": "Backbone", "name": "vgg16", "weights": "hub", "output_stride": None},
        "frame": {"is": "Squash", "size": 299},
        "views": {
            "is": "TurnedViews",
            "size": 299,
            "crop_scale": [0.7, 1.0],
            "crop_ratio": [0.9, 1.1],
            "flip": 0.5,
            "operations": 0,
            "magnitude": 9.0,
            "first_view_only": False,
            "rotation": 0.0,
            "jitter": 0.1,
        },
        "images": 250 * 400 * 20,
        "batch_size": 20,
        "optimiser": optimiser,
        "schedule": {"is": "Steps", "at": [0.5, 0.75], "to": 0.1},
        "ema": 0.0,
        "precision": "no",
        "keep_best": False,
    }
    assert steps_of(Flat(), study.recipe) == 150 * 400
    assert steps_of(Hierarchical(), study.recipe) == 250 * 400
    factors = [study.recipe.schedule.factor(epoch / 150) for epoch in (0, 74, 75, 112, 113, 149)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_runs_and_reports(tmp_path, monkeypatch, capsys):
    options = ["short", "--recipe.images", "16", "--recipe.batch-size", "8", "--device", "cpu", "--out", str(tmp_path)]
    options += ["--data.of.counts", *"6422222", "--data.of.test-per-class", "2", "--seeds", "0", "1"]
    options += ["--data.of.validation-per-class", "0", "--methods", "flat-ce-none", "hierarchical-ce-none"]
    options += ["--recipe.frame.size", "32", "--recipe.views.size", "32"]
    monkeypatch.setattr(sys, "argv", ["weighting.py", *options])
    run(weighting.__doc__, weighting.ROWS, weighting.FORMS, weighting.report)
    printed = capsys.readouterr().out
    assert "As Table 3: hierarchical, adam" in printed
    assert "(87.5)" not in printed, "the paper's figures are of other images"
    assert list(json.loads((tmp_path / "report.json").read_text())["rows"]) == ["flat-ce-none", "hierarchical-ce-none"]
    for name in ("hard", "easy"):
        assert (tmp_path / f"attention-{name}.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG")
