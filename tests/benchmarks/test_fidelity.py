"""The command as a whole, on made-up images; the views and the pairs apart."""

import json
from dataclasses import replace

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.baselines import ConstantRatio, Darkness
from benchmarks.crops import crop_images, crop_maps, crop_masks, draw_crops
from benchmarks.fidelity import detectors, measure_detector
from benchmarks.fidelity_data import READERS, draw_pairs
from benchmarks.fidelity_table import _cell
from benchmarks.fidelity_views import VIEWS, Frames, measure_images, measure_pairs
from longtail_mix import PaperRatio
from longtail_mix.metrics import MixFidelity, SaliencyAUROC
from reproduction.networks.segmenters import build_segmenter, save_segmenter


def test_the_command_writes_tables_that_agree(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["benchmarks", "fidelity", "--data", "synthetic"])
    options = [
        "fidelity",
        "--data",
        "synthetic",
        "--images",
        "28",
        "--size",
        "32",
        "--batch",
        "9",
        "--replicates",
        "20",
        "--out",
    ]
    main([*options, str(tmp_path), "--detectors", "darkness", "true masks", "plain mixup"])
    report = json.loads((tmp_path / "fidelity.json").read_text())
    assert report["command"] == "python -m benchmarks fidelity --data synthetic"
    assert torch.__version__.startswith(report["packages"]["torch"])
    views = report["results"]["made-up dermoscopy"]
    assert tuple(views) == VIEWS
    for parts in views.values():
        assert set(parts) == {"all", "first half", "second half"}
        assert parts["all"]["darkness"]["pairs"] == sum(
            parts[f"{h} half"]["darkness"]["pairs"] for h in ("first", "second")
        )
        assert parts["all"]["true masks"]["auroc"]["value"] == 1
        assert parts["all"]["plain mixup"]["composite"]["value"] == pytest.approx(0.5)
        assert parts["all"]["plain mixup"]["auroc"]["value"] == 0.5
        low, high = parts["all"]["darkness"]["auroc"]["interval"]
        assert low < parts["all"]["darkness"]["auroc"]["value"] < high
    printed = capsys.readouterr().out
    assert printed.strip() == (tmp_path / "fidelity.md").read_text().strip()
    assert f"{views['whole frames']['second half']['darkness']['auroc']['value']:.3f}" in printed
    assert report["milliseconds"]["true masks"] is None


def test_a_second_run_adds_what_is_missing_and_another_setting_is_refused(tmp_path, monkeypatch):
    options = ["fidelity", "--data", "synthetic", "--images", "28", "--size", "32", "--out", str(tmp_path)]
    main([*options, "--replicates", "20", "--detectors", "true masks", "plain mixup"])
    first = json.loads((tmp_path / "fidelity.json").read_text())["results"]
    measured = []

    def count(detector, *others):
        measured.append(next(iter(detector.recipes)))
        return measure_detector(detector, *others)

    monkeypatch.setattr("benchmarks.fidelity.measure_detector", count)
    main([*options, "--replicates", "20", "--detectors", "darkness", "true masks", "plain mixup"])
    assert measured == ["darkness"]
    both = json.loads((tmp_path / "fidelity.json").read_text())["results"]
    rows = both["made-up dermoscopy"]["whole frames"]["all"]
    assert list(rows) == ["plain mixup", "darkness", "true masks", "true masks; fidelity ratio"]
    del rows["darkness"]
    assert rows == first["made-up dermoscopy"]["whole frames"]["all"]
    with pytest.raises(SystemExit, match="choose another --out"):
        main([*options, "--replicates", "21"])


def test_few_images_print_no_nan_and_none_are_refused(tmp_path, capsys):
    options = ["fidelity", "--data", "synthetic", "--size", "32", "--detectors", "darkness", "--out", str(tmp_path)]
    main([*options, "--images", "4", "--replicates", "5"])
    printed = capsys.readouterr().out
    assert "nan" not in printed
    assert "; all" in printed
    data = READERS["synthetic"](32, 4, 0)
    with pytest.raises(ValueError, match="images: expected enough for a pair of a tail and a head image, got 7"):
        replace(data, tail=data.tail[:0], head=data.head[:0])


def test_what_is_refused_is_said_in_one_line():
    with pytest.raises(SystemExit, match="python -m benchmarks: .*No such file or directory: 'nowhere.json'"):
        main(["show", "nowhere.json"])


def test_a_segmenter_of_the_example_gets_its_rows(tmp_path):
    save_segmenter(tmp_path / "segmenter.pt", "lraspp", 32, build_segmenter("lraspp", 32))
    table = detectors(tmp_path / "segmenter.pt")
    assert list(table["segmenter"].recipes) == ["segmenter", "segmenter; fidelity ratio"]
    assert "segmenter" not in detectors()
    with torch.inference_mode():
        assert table["segmenter"].module(torch.rand(2, 3, 48, 48)).shape == (2, 1, 48, 48)


@pytest.mark.parametrize("name", VIEWS)
def test_each_view_equals_the_metrics_on_maps_made_by_hand(name):
    data = READERS["synthetic"](32, 28, 0)
    crops = draw_crops(len(data.images), data.aspect, torch.Generator().manual_seed(3))
    detector = Darkness()
    maps, masks = detector(data.images), data.masks
    if name != "whole frames":
        masks = crop_masks(masks, crops)
        maps = crop_maps(maps, crops) if "carried" in name else detector(crop_images(data.images, crops))
    auroc, fidelity = SaliencyAUROC(), MixFidelity()
    auroc.update(maps, masks)
    fidelity.update(PaperRatio(noise=0.0)(maps[data.tail], maps[data.head]), masks[data.tail], masks[data.head])

    cpu = torch.device("cpu")
    views = {view: (maps, masks) for view, maps, masks in Frames.crop(data, crops, cpu, 5).views(detector)}
    of_images = measure_images(*views[name], cpu, 5)
    of_pairs = measure_pairs(PaperRatio(noise=0.0), *views[name], data, cpu, 5, seed=0)

    assert of_images[:, 0].nanmean().item() == pytest.approx(auroc.compute()["mean"].item(), abs=1e-4)
    for i, region in enumerate(("retention", "leak", "background")):
        assert of_pairs[:, i].nanmean().item() == pytest.approx(fidelity.compute()[region].item(), abs=1e-5)


def test_pairs_stay_in_their_half_and_never_show_one_lesion_twice():
    generator = torch.Generator().manual_seed(0)
    lesions = tuple(str(i // 2) for i in range(60))
    second = (torch.arange(60) // 2) % 2 == 0
    every = torch.ones(60, dtype=torch.bool)
    tail, head = draw_pairs(every, every, lesions, second, generator)
    assert torch.equal(tail, torch.arange(60))
    assert torch.equal(second[tail], second[head])
    assert (tail // 2 != head // 2).all()
    assert len(head.unique()) > 25  # drawn evenly

    is_head = torch.arange(60) < 4  # lesions 0 and 1, one in each half
    tail, head = draw_pairs(~is_head, is_head, lesions, second, generator)
    assert is_head[head].all()
    assert torch.equal(tail, torch.arange(4, 60))
    alone = torch.arange(60) < 2
    tail, head = draw_pairs(every, alone, lesions, second, generator)
    assert torch.equal(tail, second.nonzero().squeeze(1)[2:])  # not lesion 0 itself, nor the half without a head


def test_plain_mixup_ignores_the_maps():
    assert ConstantRatio(0.5)(torch.rand(3, 1, 8, 8), torch.rand(3, 1, 8, 8)).tolist() == [[[[0.5]]]] * 3


def test_too_few_pairs_for_an_interval_are_said_to_be():
    nan = float("nan")
    assert _cell({"value": 0.5, "interval": [nan, nan]}, with_interval=True) == "0.500 (too few for an interval)"
    assert _cell({"value": 0.5, "interval": [0.4, 0.6]}, with_interval=True) == "0.500 (0.400-0.600)"
    assert _cell({"value": nan, "interval": [nan, nan]}, with_interval=True) == ""
