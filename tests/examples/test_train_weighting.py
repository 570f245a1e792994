"""The study: its grid, its models, its loss, its tables."""

import argparse
import json
import sys

import pytest
import study_report
import torch
import torch.nn.functional as F
import train_care
import train_lsm
import train_weighting
from criteria import LOSSES, WEIGHTS, add_criterion_options, build_criterion
from images import Images, Task
from study_models import MALIGNANT, MELANOCYTIC, Backbone, FlatHead, HierarchicalHead, LevelLoss, StudyModel
from study_report import PAPER, Result, measure, measures_of_confusion, paper_row, summarise
from train_weighting import Cell, Form, load_task, run_split, train_cell

from longtail_mix import ClassBalancedWeights, MixedTarget, WeightedCrossEntropy, set_epoch
from longtail_mix.data import CLASSES

TINY = Form("test_resnet", 32, 16, 2, 2, adam=1e-3, sgd=1e-2, frozen_after=2)


def tiny_task(seed: int = 0) -> Task:
    """Seven classes, each a colour."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(56) % 7
    colours = torch.randint(60, 200, (7, 3, 1, 1), generator=torch.Generator().manual_seed(9))
    noise = torch.randint(50, (56, 3, 32, 32), generator=generator)
    images = (colours[labels] + noise).to(torch.uint8)
    lesions = tuple(str(i // 14 * 7 + i % 7) for i in range(56))
    side = Images(images, labels, lesions)
    return Task("tiny", tuple("ABCDEFG"), side, side)


def test_one_command_makes_the_grid_and_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    trained = []

    def counted(task, cell, form, frozen):
        trained.append(cell)
        return train_cell(task, cell, form, frozen)

    monkeypatch.setattr(train_weighting, "load_task", lambda _data, _size, split, _cache: tiny_task(split))
    monkeypatch.setattr(train_weighting, "train_cell", counted)
    options = ["--size", "32", "--epochs", "1", "--frozen-after", "1", "--device", "cpu", "--out", str(tmp_path)]

    def run(*more):
        monkeypatch.setattr(sys, "argv", ["train_weighting.py", *options, *more])
        train_weighting.main()

    run("--models", "flat", "--weights", "none", "es")
    assert len(trained) == 2 * 2 * 2 * 2
    run()
    assert len(trained) == len(set(trained)) == 2 * 2 * 2 * 6 * 2
    printed = capsys.readouterr().out
    for title in (
        "Table 2: flat, adam",
        "Table 3: hierarchical, adam",
        "Table 4: flat, sgd",
        "Table 5: hierarchical, sgd",
    ):
        assert title in printed
    assert "| CEL | class-wise OHEM |" in printed
    assert "(72.5)" in printed
    report = json.loads((tmp_path / "study.json").read_text())
    assert len(report["cells"]) == 48
    assert report["cells"]["flat adam ce es"]["paper"] == [83.5, 78.0, 77.5, 77.0]
    for optimizer in ("adam", "sgd"):
        assert (tmp_path / f"recall_{optimizer}.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="choose another --out"):
        run("--epochs", "2")


def test_cells_of_one_split_share_their_features_and_repeat(tmp_path):
    task, cells = tiny_task(), [Cell("flat", "adam", "ce", "none", 0), Cell("flat", "adam", "focal", "ohem", 0)]
    first = list(run_split(task, cells, TINY, tmp_path))
    again = list(run_split(task, cells, TINY, tmp_path))
    fresh = list(run_split(task, cells, TINY, tmp_path / "other"))
    for a, b, c in zip(first, again, fresh, strict=True):
        assert torch.equal(a.logits, b.logits)
        assert torch.equal(a.logits, c.logits)
    assert not torch.equal(first[0].logits, first[1].logits)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("model", ["flat", "hierarchical"])
def test_end_to_end_training_learns_colours(model):
    form = Form("test_resnet", 32, 8, 6, 6, adam=3e-3, sgd=1e-2)
    logits = train_cell(tiny_task(), Cell(model, "adam", "ce", "cb", 0), form, None)
    assert (logits.argmax(1) == tiny_task().test.labels).float().mean() > 0.5


def test_the_networks():
    backbone = Backbone("test_resnet")
    for head, levels in ((FlatHead, [7]), (HierarchicalHead, [2, 2, 7])):
        model = StudyModel(backbone, head(backbone.channels, 7))
        out = model(torch.rand(2, 3, 32, 32))
        assert [level.shape for level in out] == [(2, k) for k in levels]
        sum(level.sum() for level in out).backward()
        assert all(p.grad is not None for p in model.head.parameters())
    kinds = dict(zip(CLASSES, zip(MELANOCYTIC, MALIGNANT, strict=True), strict=True))
    assert {name for name, (melanocytic, _) in kinds.items() if melanocytic} == {"MEL", "NV"}
    assert {name for name, (melanocytic, bad) in kinds.items() if bad and not melanocytic} == {"BCC", "AKIEC"}


def test_the_loss_of_the_levels_equals_its_loop():
    labels = torch.arange(7)
    levels = tuple(torch.randn(7, k, generator=torch.Generator().manual_seed(k)) for k in (2, 2, 7))
    counts = [9, 30, 5, 4, 8, 1, 2]
    expected = []
    for i in range(7):
        loss = F.cross_entropy(levels[2][i], labels[i])
        loss = loss + F.cross_entropy(levels[0][i], torch.tensor(MELANOCYTIC[i]))
        if not MELANOCYTIC[i]:
            loss = loss + F.cross_entropy(levels[1][i], torch.tensor(MALIGNANT[i]))
        expected.append(sum(counts) / counts[i] * loss)
    criterion = LevelLoss(WeightedCrossEntropy(reduction="none"), ClassBalancedWeights(counts))
    torch.testing.assert_close(criterion(levels, labels), torch.stack(expected).mean())
    flat = LevelLoss(WeightedCrossEntropy(reduction="none"), None)
    torch.testing.assert_close(flat((levels[2],), labels), F.cross_entropy(levels[2], labels))


def test_measures_of_a_confusion_matrix_equal_torchmetrics():
    for seed, classes in ((0, 7), (1, 3)):
        logits = torch.randn(50, classes, generator=torch.Generator().manual_seed(seed))
        logits[:, 0] -= 10  # never named: its precision is 0
        labels = torch.arange(50) % classes
        confusion = torch.zeros(classes, classes, dtype=torch.float64)
        for label, named in zip(labels.tolist(), logits.argmax(1).tolist(), strict=True):
            confusion[label, named] += 1
        for name, value in measure(logits, labels).items():
            torch.testing.assert_close(measures_of_confusion(confusion)[name], value.double(), rtol=1e-6, atol=1e-6)


def test_the_summary_averages_splits_and_pairs_differences():
    labels, lesions = torch.arange(60) % 3, tuple(str(i) for i in range(60))
    right, wrong = torch.eye(3)[labels], torch.eye(3)[(labels + 1) % 3]
    results = []
    for split, base in ((0, wrong), (1, right)):
        for weights, logits in (("none", base), ("es", base), ("cb", right)):
            cell = {"model": "flat", "optimizer": "adam", "loss": "ce", "weights": weights, "split": split}
            results.append(Result(cell, "t", ("a", "b", "c"), logits, labels, lesions, 1.0))
    summary = summarise(results)
    assert summarise(results[::-1]) == summary  # whichever weights are named first
    none, same, better = (summary["flat", "adam", "ce", name] for name in ("none", "es", "cb"))
    assert none["Acc"]["mean"] == 50
    assert none["Acc"]["interval"] == (0, 100)  # the splits are drawn as well
    assert [split["Acc"] for split in none["by_split"]] == [0, 100]
    assert "difference" not in none["Acc"]
    assert same["BAcc"]["difference_interval"] == (0, 0)
    assert better["BAcc"]["difference"] == 50
    assert better["recall"]["a"] == {"mean": 100, "interval": (100, 100)}


def test_the_papers_figures_are_all_there():
    for key, rows in PAPER.items():
        assert len(rows) == 2
        for loss in ("ce", "focal"):
            for weights in ("none", "cb", "es", "spl", "ohem"):
                assert len(paper_row(*key, loss, weights)) == 4
            assert paper_row(*key, loss, "class-ohem") is None
    assert paper_row("flat", "adam", "ce", "ohem") == [84.5, 74.0, 77.0, 74.5]
    assert paper_row("hierarchical", "sgd", "focal", "none") == [78.0, 49.0, 55.0, 51.0]
    assert list(study_report.WEIGHTS) == train_weighting.WEIGHTS
    assert list(study_report.LOSSES) == train_weighting.LOSSES


def test_images_are_under_white_light(monkeypatch):
    task = tiny_task()
    monkeypatch.setattr(train_weighting, "synthetic_task", lambda _size, _split: task)
    corrected = load_task("synthetic", 32, 0, None).train.images
    light = corrected.double().pow(6).mean((2, 3)).pow(1 / 6)
    assert (light.amax(1) / light.amin(1)).max() < 1.1
    before = task.train.images.double().pow(6).mean((2, 3)).pow(1 / 6)
    assert (before.amax(1) / before.amin(1)).max() > 1.3


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_with_every_weight_by_its_name(loss):
    parser = argparse.ArgumentParser()
    add_criterion_options(parser)
    labels, counts = torch.arange(8) % 4, [40, 20, 9, 1]
    for weights in WEIGHTS:
        chosen = parser.parse_args(["--loss", loss, "--weights", weights])
        criterion = build_criterion(chosen.loss, chosen.weights, counts, 10, 8)
        logits = torch.randn(8, 4, requires_grad=True)
        for epoch in (0, 9):
            set_epoch(criterion, epoch)
            for target in (labels, MixedTarget(labels, labels.flip(0), torch.full((8,), 0.7))):
                criterion(logits, target).backward()
        assert torch.isfinite(logits.grad).all()


def test_they_plug_into_the_other_examples():
    settings = train_lsm.SETTINGS["synthetic"]
    for loss in LOSSES:
        for weights in WEIGHTS:
            name, maker = train_lsm.LOSSES[f"{loss}+{weights}"]
            criterion = maker([40, 20, 9, 1], settings)
            set_epoch(criterion, settings.epochs - 1)
            mixed = MixedTarget(torch.arange(4), torch.arange(4).flip(0), torch.full((4,), 0.7))
            assert torch.isfinite(criterion(torch.randn(4, 4), mixed))
            assert name == f"{loss}, {weights}"
        assert {f"{loss}+{weights}" for weights in ("none", "cb", "es")} <= set(train_care.BASES)
