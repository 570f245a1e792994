"""The program on chest films runs, writes what it printed, and its mixes keep the lungs and move the markers."""

import json
import sys

import torch

import chest_films
from longtail_mix.data import synthetic_films


def test_the_program_writes_its_report(tmp_path, monkeypatch):
    monkeypatch.setattr(chest_films, "COUNTS", (20, 12, 4, 4))
    monkeypatch.setattr(chest_films, "EPOCHS", 1)
    monkeypatch.setattr(sys, "argv", ["chest_films.py", "--seeds", "1", "--json", str(tmp_path / "films.json")])
    chest_films.main()
    report = json.loads((tmp_path / "films.json").read_text(encoding="utf-8"))
    assert list(report["results"]) == list(chest_films.arms())
    for tests in report["results"].values():
        assert [len(judged) for judged in tests.values()] == [1, 1]
        assert all(0 <= value <= 100 for (judged,) in tests.values() for value in judged.values())


def test_other_skin_keeps_the_lungs_and_brings_another_marker():
    data = synthetic_films([8, 8], size=48, marker_cue=1.0)
    torch.manual_seed(0)
    films, labels, masks = data.images / 255, data.labels, data.masks.float()
    mixed, target = chest_films.arms()["OtherSkin, every other film"](films, labels, masks)
    torch.testing.assert_close(mixed * masks, films * masks)
    assert torch.equal(target.soft(2).argmax(1), labels)
    at_left, at_right = (mixed[..., :9, columns].amax((1, 2, 3)) for columns in (slice(0, 9), slice(-9, None)))
    assert ((at_left - at_right).abs() > 0.1).all()
    assert 0 < ((at_right > at_left).long() != labels).sum() < 16
