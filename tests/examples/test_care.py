"""The CARE program: its rows, the paper's settings and figures written out once more, one short run."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure

import care
from reproduction.criteria.losses import CrossEntropy, Focal
from reproduction.criteria.weightings import ClassBalanced
from reproduction.data.boxes import BooleanMap, Boxes, Segmented
from reproduction.data.isic2018 import ISIC2018, Stratified
from reproduction.data.maps import FineGrained, SkinContrast
from reproduction.data.pneumonia import Pneumonia
from reproduction.data.task import Images
from reproduction.methods.care import CARE, Continued, Plain
from reproduction.methods.sampling import ByClass
from reproduction.methods.siamese import Siamese
from reproduction.reports.printed import CARE_SKIN
from reproduction.reports.program import run
from reproduction.training.describe import describe
from reproduction.training.judging import Judged
from reproduction.training.printed_views import TurnedViews


def test_the_rows():
    turned = TurnedViews(224, (1.0, 1.0), (1.0, 1.0), 0.5, rotation=180.0, jitter=0.2)
    bases = {
        "ce": Plain(criterion=CrossEntropy()),
        "csl": Plain(criterion=CrossEntropy(ClassBalanced())),
        "fl": Plain(criterion=Focal(2.0)),
        "da": Plain(criterion=CrossEntropy(), views=turned),
    }
    boxes = {
        "": Boxes(),
        "-skin": Boxes(SkinContrast()),
        "-fine-grained": Boxes(FineGrained()),
        "-boolean-map": Boxes(BooleanMap()),
        "-segmenter": Boxes(Segmented(Path("runs/segmenter/isic2017/lraspp.pt"))),
        "-deeplabv3": Boxes(Segmented(Path("runs/segmenter/paper/deeplabv3.pt"))),
        "-2-classes": Boxes(masked_classes=2),
        "-3-classes": Boxes(masked_classes=3),
    }
    expected = {}
    for base, first in bases.items():
        expected[base] = first
        expected[f"{base}-continued"] = Continued(first, 1.0, first.views)
        for name, where in boxes.items():
            expected[f"{base}+care{name}"] = CARE(first, 1.0, first.views, where, 0.5, 0.7, 1.0, False)
        expected[f"{base}+care-over-all"] = CARE(first, 1.0, first.views, Boxes(), 0.5, 0.7, 1.0, True)
    csl = bases["csl"]
    for alpha in (0.1, 0.3, 0.7, 0.9):
        expected[f"csl+care-alpha-{alpha}"] = CARE(csl, alpha=alpha)
    for tau in (0.2, 0.4, 0.5, 1.0):
        expected[f"csl+care-tau-{tau}"] = CARE(csl, tau=tau)
    for lam in (0.7, 1.3):
        expected[f"csl+care-lam-{lam}"] = CARE(csl, lam=lam)
    for scale in (0.7, 0.8, 0.9, 1.1):
        expected[f"csl+care-scale-{scale}"] = CARE(csl, boxes=Boxes(scale=scale))
    siamese, first = Siamese(margin=1.0, weight=1.0), bases["ce"]
    expected["siamese"] = siamese
    expected["siamese-continued"] = Continued(siamese)
    expected["siamese+care"] = CARE(siamese)
    expected["decouple"] = Continued(first, sampling=ByClass(0.0), last_stage_only=True)
    expected["decouple+care"] = CARE(first, sampling=ByClass(0.0), last_stage_only=True)
    assert expected == care.ROWS
    assert care.AGAINST["fl+care-skin"] == "fl-continued"
    assert care.AGAINST["siamese+care"] == "siamese-continued"
    assert care.AGAINST["decouple+care"] == "decouple"
    assert len(care.AGAINST) == 4 * 9 + 14 + 2


def test_on_x_rays_lam_is_a_half_and_nothing_of_skin_has_a_say():
    assert set(care.ROWS_OF) == {"pneumonia", "pneumonia-resnet18", "pneumonia-resnet152", "pneumonia-vgg19"}
    rows = care.ROWS_OF["pneumonia"]
    assert rows["csl"] == care.ROWS["csl"]
    assert rows["csl+care-tau-0.2"] == CARE(rows["csl"], tau=0.2, lam=0.5)
    assert {row.lam for row in rows.values() if isinstance(row, CARE)} == {0.5}
    assert {row.boxes for row in rows.values() if isinstance(row, CARE)} == {Boxes()}
    gone = {name.removeprefix("csl") for name in care.ROWS.keys() - rows.keys() if name.startswith("csl")}
    assert gone == {
        *("+care-skin", "+care-fine-grained", "+care-boolean-map", "+care-segmenter", "+care-deeplabv3"),
        *("+care-2-classes", "+care-3-classes", "+care-lam-0.7", "+care-lam-1.3"),
        *(f"+care-scale-{scale}" for scale in (0.7, 0.8, 0.9, 1.1)),
    }
    skin, films = care.FORMS["paper-vgg19"][1], care.FORMS["pneumonia-vgg19"][1]
    assert films.data == Pneumonia(counts=(8851, 6012, 105), test_fraction=0.2, seed=0)
    assert films.test
    assert films.recipe == replace(skin.recipe, images=200 * 124 * 96)  # 11,974 images are trained on


@pytest.mark.parametrize("network", ["resnet50", "resnet18", "resnet152", "vgg19"])
def test_the_papers_form(network):
    study = care.FORMS["paper" if network == "resnet50" else f"paper-{network}"][1]
    assert study.data == ISIC2018(Stratified(0.2), with_masks=True)
    assert study.test
    assert describe(study.recipe) == {
        "is": "Recipe",
        "backbone": {"is": "Backbone", "name": network, "weights": "hub", "output_stride": None},
        "frame": {"is": "Squash", "size": 224},  # whole frames
        "views": {
            "is": "ViewSettings",
            "size": 224,
            "crop_scale": [1.0, 1.0],
            "crop_ratio": [1.0, 1.0],
            "flip": 0.0,
            "operations": 0,
            "magnitude": 9.0,
            "first_view_only": False,
        },
        "images": 200 * 83 * 96,
        "batch_size": 96,
        "optimiser": {"is": "AdamW", "learning_rate": 1e-4, "weight_decay": 0.0},
        "schedule": {"is": "Constant"},
        "ema": 0.0,
        "precision": "no",
        "keep_best": False,
    }


def test_the_printed_figures():
    assert {name: tuple(figures) for name, figures in CARE_SKIN.items()} == {
        "ce": (52.2, 0.962, 74.1),
        "ce+care": (73.9, 0.973, 78.2),
        "csl": (56.5, 0.981, 77.2),
        "csl+care": (65.2, 0.986, 81.0),
        "fl": (52.2, 0.918, 71.5),
        "fl+care": (60.9, 0.933, 73.9),
        "da": (56.6, 0.862, 54.4),
        "da+care": (60.3, 0.885, 56.2),
    }
    assert CARE_SKIN.keys() <= care.ROWS.keys()


@pytest.mark.parametrize(
    ("form", "shown"),
    [("paper", "52.2 / 50 | 0.962 / 0.9 | 74.1 / 70"), ("pneumonia", "7.4 / 50 | 0.663 / 0.9 | 56.8 / 70")]
    + [(form, None) for form in ("paper-vgg19", "isic2018", "short")],
)
def test_they_stand_beside_ours_for_the_papers_own_recipe_and_images_alone(form, shown, monkeypatch, tmp_path):
    row = {"rarest_recall": {"mean": 50.0}, "auc": 0.9, "mca": {"mean": 70.0}}
    monkeypatch.setattr(care, "summarise", lambda *_: {"ce": row})
    monkeypatch.setattr(care, "tables", lambda _: "tables")
    monkeypatch.setattr(care, "curves", lambda _: Figure())
    side = Images(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), torch.tensor([0]), ("a",))
    text = care.report(replace(care.FORMS[form][1], out=tmp_path), [Judged("ce", 0, {}, side, {})])
    assert text.startswith("tables")
    assert ("printed / ours" in text) == (shown is not None)
    assert shown is None or f"| ce | {shown} |" in text
    assert (tmp_path / "report.md").read_text() == text + "\n"


def test_runs_both_stages_and_reports(tmp_path, monkeypatch, capsys):
    options = ["short", "--recipe.images", "16", "--recipe.batch-size", "8", "--device", "cpu", "--out", str(tmp_path)]
    options += ["--data.counts", *"6422222", "--data.test-per-class", "2", "--data.validation-per-class", "0"]
    options += ["--recipe.frame.size", "32", "--recipe.views.size", "32"]
    monkeypatch.setattr(sys, "argv", ["care.py", *options])
    run(care.__doc__, care.ROWS, care.FORMS, care.report)
    printed = capsys.readouterr().out
    assert "| csl+care | csl-continued |" in printed
    assert "printed / ours" not in printed  # made-up images are not the paper's
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["rows"]) == ["csl", "csl-continued", "csl+care"]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "attention.png").read_bytes().startswith(b"\x89PNG")
