"""The segmenter program as a user starts it, very short; its checkpoint is a saliency."""

import json
import sys

import pytest
import torch

import segmenter
from longtail_mix.saliency import SegmentationSaliency
from reproduction.methods.segmentation import Segmentation
from reproduction.networks.segmenters import load_segmenter
from reproduction.reports.program import run
from reproduction.training.describe import describe


def test_runs_and_its_checkpoint_is_a_saliency(tmp_path, monkeypatch, capsys):
    options = ["--recipe.images", "8", "--recipe.batch-size", "4", "--recipe.views.size", "32", "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", ["segmenter.py", "short", *options, "--out", str(tmp_path)])
    run(segmenter.__doc__, segmenter.ROWS, segmenter.FORMS, segmenter.report)
    assert "on 210 images not trained on" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "report.json").read_text())
    assert 0 <= row["dice"] <= 1
    network = load_segmenter(tmp_path / "lraspp.pt")
    trained = torch.load(tmp_path / "lraspp" / "seed-0" / "last.pt", weights_only=True)["learner"]
    for name, value in network.state_dict().items():
        assert torch.equal(value, trained[f"network.{name}"])
    saliency = SegmentationSaliency(network)
    assert saliency(torch.rand(1, 3, 32, 48)).shape == (1, 1, 32, 48)


@pytest.mark.parametrize(
    ("form", "sets", "methods", "size", "steps"),
    [
        ("isic2017", ("isic2017",), ("lraspp",), 128, 1500),
        ("both", ("isic2017", "isic2018"), ("lraspp",), 128, 1500),
        ("paper", ("isic2017",), ("deeplabv3",), 224, 4000),
    ],
)
def test_the_forms(form, sets, methods, size, steps):
    study = segmenter.FORMS[form][1]
    assert (study.data.sets, study.methods, study.recipe.images) == (sets, methods, steps * 32)
    assert study.test
    views = describe(study.recipe.views)
    assert (views["size"], views["crop_scale"], views["rotation"], views["jitter"]) == (size, [0.25, 1.0], 180.0, 0.2)
    assert describe(study.recipe.optimiser) == {"is": "AdamW", "learning_rate": 2e-3, "weight_decay": 1e-2}
    assert {"lraspp": Segmentation("lraspp"), "deeplabv3": Segmentation("deeplabv3")} == segmenter.ROWS
