"""The LSM program: its rows, the paper's settings and printed figures written out once more, one short run."""

import json
import sys

import pytest
import torch

import lsm
from reproduction.criteria.losses import LADE, LDAM, BalancedSoftmax, CrossEntropy, Focal
from reproduction.criteria.weightings import Deferred, EffectiveNumber
from reproduction.data.cifar_lt import CifarLT
from reproduction.data.inaturalist import INaturalist2018
from reproduction.data.listed import ImageNetLT
from reproduction.data.task import Images
from reproduction.methods.bbn import BBN
from reproduction.methods.contrasted import Contrasted
from reproduction.methods.hybrid_contrast import HybridContrast
from reproduction.methods.influence import InfluenceBalanced
from reproduction.methods.lsm import LSM
from reproduction.methods.mislas import MiSLAS
from reproduction.methods.post_hoc import TauNormalisation
from reproduction.methods.retraining import Retraining
from reproduction.methods.ride import RIDE, Diversity, RIDEWithLSM
from reproduction.methods.sampling import ByClass, Natural
from reproduction.methods.supervised import Supervised
from reproduction.methods.weight_scaling import WeightScaling
from reproduction.mixes.cutmix import CutMix
from reproduction.mixes.remix import Remix
from reproduction.reports.printed import LSM_CIFAR100, accuracies, beside
from reproduction.training.describe import describe
from reproduction.training.judging import Judged

DRW = Deferred(EffectiveNumber(0.9999, over_classes=True), 0.8)


def test_the_rows_are_the_tables_losses_and_mixes():
    for loss, criterion in (("ce", CrossEntropy()), ("ce-drw", CrossEntropy(DRW)), ("ldam-drw", LDAM(30.0, DRW))):
        assert lsm.ROWS[loss] == Supervised(criterion=criterion)
        assert lsm.ROWS[f"{loss}+cmo"] == Supervised(criterion=criterion, mix=CutMix(1.0, 0.5, ByClass(-1.0)))
        assert lsm.ROWS[f"{loss}+remix"] == Supervised(criterion=criterion, mix=Remix(1.0, 3.0, 0.5))
        assert lsm.ROWS[f"{loss}+lsm"] == LSM(criterion, blocks=8, probability=1.0, layer=None)
        assert lsm.ROWS[f"{loss}+lsm-half"] == LSM(criterion, blocks=8, probability=0.5, layer=None)


def test_the_rows_that_the_tables_compare_with():
    first, balanced = Supervised(Natural(), CrossEntropy()), Supervised(ByClass(0.0), CrossEntropy())
    expected = {
        "focal": Supervised(criterion=Focal(1.0)),
        "balanced-softmax": Supervised(criterion=BalancedSoftmax()),
        "lade": Supervised(criterion=LADE()),
        "ib": InfluenceBalanced(1000.0, 0.5),
        "square-root": Supervised(ByClass(0.5)),
        "crt": Retraining(first, balanced, 0.1, None),
        "lws": WeightScaling(first, balanced, 0.1, None),
        "tau-normalisation": TauNormalisation(first, 1.0),
        "mislas": MiSLAS(),
        "bbn": BBN(ByClass(-1.0), None),
        "supcon": Retraining(Contrasted(0.1, 128), balanced, 0.1, None),
        "hybrid-sc": HybridContrast(ByClass(0.0), 0.1, 128),
        "ride": RIDE(LDAM(30.0, DRW), Diversity(3, 2, 0.2, 0.05)),
        "ride+lsm": RIDEWithLSM(LDAM(30.0, DRW), 8, 1.0, None, Diversity(3, 2, 0.2, 0.05)),
    }
    for blocks in (16, 4, 2):
        expected[f"ce-drw+lsm-{blocks}-blocks"] = LSM(CrossEntropy(DRW), blocks)
    mixes = {name for name in lsm.ROWS if name.split("+")[0] in ("ce", "ce-drw", "ldam-drw")} - expected.keys()
    assert len(mixes) == 15
    assert {name: row for name, row in lsm.ROWS.items() if name not in mixes} == expected
    assert expected["crt"].first == lsm.ROWS["ce"]  # it is trained once for all of them


@pytest.mark.parametrize(
    ("form", "imbalance", "steps_per_epoch"), [("paper", 100, 84), ("paper-50", 50, 98), ("paper-10", 10, 152)]
)
def test_the_papers_form(form, imbalance, steps_per_epoch):
    study = lsm.FORMS[form][1]
    assert study.data == CifarLT(100, imbalance, None, 0)
    assert study.test
    assert describe(study.recipe) == {
        "is": "Recipe",
        "backbone": {"is": "Backbone", "name": "resnet32", "weights": "none", "output_stride": None},
        "frame": {"is": "Squash", "size": 32},
        "views": {
            "is": "ShiftedViews",
            "size": 32,
            "crop_scale": [1.0, 1.0],
            "crop_ratio": [1.0, 1.0],
            "flip": 0.5,
            "operations": 0,
            "magnitude": 9.0,
            "first_view_only": False,
            "shift": 4,
        },
        "images": 200 * steps_per_epoch * 128,
        "batch_size": 128,
        "optimiser": {"is": "SGD", "learning_rate": 0.01, "weight_decay": 2e-4, "nesterov": False},
        "schedule": {"is": "Steps", "at": [0.8, 0.9], "to": 0.01},
        "ema": 0.0,
        "precision": "no",
        "keep_best": False,
    }
    factors = [study.recipe.schedule.factor(epoch / 200) for epoch in (0, 159, 160, 179, 180, 199)]
    assert factors == pytest.approx([1, 1, 0.01, 0.01, 1e-4, 1e-4])
    assert study.recipe.views.size // 8 == 4  # the paper's blocks


@pytest.mark.parametrize(
    ("form", "data", "batch", "images", "decay"),
    [
        ("imagenet-lt", ImageNetLT(), 256, 100 * 452 * 256, 5e-4),
        ("inaturalist2018", INaturalist2018(), 512, 200 * 854 * 512, 1e-4),
    ],
)
def test_the_papers_large_forms(form, data, batch, images, decay):
    study = lsm.FORMS[form][1]
    assert study.data == data
    assert (study.test, study.frames_on) == (True, "host")
    assert describe(study.recipe) == {
        "is": "Recipe",
        "backbone": {"is": "Backbone", "name": "resnet50", "weights": "none", "output_stride": None},
        "frame": {"is": "CentreCrop", "size": 256},
        "views": {
            "is": "UprightViews",
            "size": 224,
            "crop_scale": [0.08, 1.0],
            "crop_ratio": [3 / 4, 4 / 3],
            "flip": 0.5,
            "operations": 0,
            "magnitude": 9.0,
            "first_view_only": False,
        },
        "images": images,
        "batch_size": batch,
        "optimiser": {"is": "SGD", "learning_rate": 0.1, "weight_decay": decay, "nesterov": False},
        "schedule": {"is": "Cosine", "warmup": 0.0},
        "ema": 0.0,
        "precision": "no",
        "keep_best": False,
    }
    assert study.recipe.views.flips() == (0.5, 0.0)
    assert study.recipe.views.size // 8 == 28  # the paper's blocks


def test_the_printed_figures():
    assert {name: tuple(row.values()) for name, row in LSM_CIFAR100.items()} == {
        "ce": (38.6, 44.0, 56.4),
        "ce-drw": (41.1, 45.6, 57.9),
        "ldam-drw": (41.7, 47.9, 57.3),
        "bbn": (42.6, 47.1, 59.2),
        "ce+cmo": (43.9, 48.3, 59.5),
        "balanced-softmax": (45.1, 49.9, 61.6),
        "lade": (45.4, 50.5, 61.7),
        "supcon": (45.8, 52.0, 64.4),
        "hybrid-sc": (46.7, 51.8, 63.0),
        "ce+remix": (45.8, 49.5, 59.2),
        "ce+lsm": (43.6, 47.9, 58.9),
        "ce-drw+lsm": (46.8, 51.6, 61.0),
        "ldam-drw+lsm": (46.9, 52.2, 58.6),
    }
    assert all(tuple(row) == (100.0, 50.0, 10.0) for row in LSM_CIFAR100.values())
    assert LSM_CIFAR100.keys() <= lsm.ROWS.keys()


def test_they_stand_beside_ours_on_the_papers_own_images_alone(monkeypatch):
    monkeypatch.setattr(lsm, "comparison", lambda *_: "tables")
    labels = torch.tensor([0, 1, 1, 1])
    side = Images(torch.zeros(4, 3, 2, 2, dtype=torch.uint8), labels, tuple("abcd"))
    judged = [
        Judged("ce", seed, {"logits": torch.eye(2)[said]}, side, {})
        for seed, said in ((0, [0, 1, 1, 0]), (1, [0, 0, 0, 1]))
    ]
    assert accuracies(judged) == {"ce": 62.5}
    study = lsm.FORMS["paper-50"][1]
    text = "tables\n\n| printed / ours | accuracy in % |\n| --- | --- |\n| ce | 44 / 62.5 |"
    assert lsm.report(study, judged) == text
    assert lsm.report(lsm.FORMS["short"][1], judged) == "tables"
    assert beside("a, b", {"x": (1.0, 2.0)}, {"y": (3.0, 4.0)}).count("\n") == 1


def test_few_is_by_count_on_the_large_sets_and_by_rank_elsewhere(monkeypatch):
    monkeypatch.setattr(lsm, "comparison", lambda *given: str(given[2]((500, 30, 19, 15, 5)).few))
    for form, few in (
        ("imagenet-lt", (2, 3, 4)),
        ("inaturalist2018", (2, 3, 4)),
        ("short", (3, 4)),
        ("isic2018", (3, 4)),
    ):
        assert lsm.report(lsm.FORMS[form][1], []) == str(few)


def test_runs_and_reports(tmp_path, monkeypatch, capsys):
    options = ["short", "--recipe.images", "32", "--recipe.batch-size", "16", "--methods", "ce", "ce+lsm"]
    options += ["--data.counts", *"9643222", "--data.test-per-class", "2", "--data.validation-per-class", "0"]
    monkeypatch.setattr(sys, "argv", ["lsm.py", *options, "--device", "cpu", "--out", str(tmp_path)])
    from reproduction.reports.program import run

    run(lsm.__doc__, lsm.ROWS, lsm.FORMS, lsm.report)
    assert "| ce+lsm | 1 |" in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["rows"]) == ["ce", "ce+lsm"]
    assert report["rows"]["ce+lsm"]["method"]["blocks"] == 8
    assert (tmp_path / "ce+lsm" / "seed-0" / "last.pt").exists()
