"""The benchmark of the framework's loop runs from either place of the frames and measures what it says."""

import json
from dataclasses import replace
from itertools import count

import pytest
import torch

from benchmarks import loop
from benchmarks.__main__ import main
from reproduction.mixes.patch_swap import PatchSwap
from spmix import rows

SMALL = ["--backbone", "tiny_hybrid", "--size", "32", "--frame-size", "40", "--frames", "40", "--batch", "8"]
SMALL += ["--patch-size", "8", "--repeats", "2", "--together", "1", "--precision", "no", "--device", "cpu"]
RECIPE = loop.recipe_of("tiny_hybrid", 32, 8, "no")
ROWS = rows(32, 8, "patch_embed")
CPU = torch.device("cpu")


@pytest.mark.parametrize("where", ["device", "host"])
def test_runs_and_writes_its_times(where, tmp_path, capsys):
    main(["loop", *SMALL, "--frames-on", where, "--out", str(tmp_path / "new" / "loop.json")])
    assert "| step, SPMix |" in capsys.readouterr().out
    report = json.loads((tmp_path / "new" / "loop.json").read_text())
    assert len(report["parts"]) == 10
    for part in report["parts"].values():
        assert len(part["seconds"]) == 2
        assert part["images_per_second"] == pytest.approx(8 / (sum(part["seconds"]) / 2))
    assert report["options"]["frames_on"] == where
    assert report["device"] == "cpu"


def test_each_part_does_its_share():
    frames = loop.random_frames(40, 40, CPU, 0)
    assert frames.labels.bincount(minlength=7).min() >= 2
    everyone = replace(ROWS["spmix"], mix=PatchSwap(ROWS["spmix"].mix.ratio, tail_only=False))
    spmix = loop.Loop(everyone, RECIPE, frames, CPU)
    batch, mixed = spmix.draw(3), spmix.draw_and_mix(3)
    assert len(mixed) == len(batch.labelled.maps) == len(batch.partners.views) == 2
    for own, other, view in zip(batch.labelled.views, batch.partners.views, mixed, strict=True):
        assert view.shape == (8, 3, 32, 32)
        assert ((view >= torch.minimum(own, other) - 1e-6) & (view <= torch.maximum(own, other) + 1e-6)).all()
        assert not torch.equal(view, own)
    method = spmix.learner
    query, key = (network.classifier.weight.clone() for network in (method.query, method.key))
    spmix.train(0)
    assert not torch.equal(method.query.classifier.weight, query)
    assert not torch.equal(method.key.classifier.weight, key)
    assert (method.queue.labels >= 0).sum() == 8
    before = method.query.classifier.weight.clone()
    spmix.train_at_hand(1)
    assert not torch.equal(method.query.classifier.weight, before)
    cross_entropy = loop.Loop(ROWS["ce"], RECIPE, frames, CPU)
    assert len(cross_entropy.draw(0).labelled.views) == 1


def test_parts_take_turns_after_one_to_warm_up(monkeypatch):
    calls, clock = [], count()
    monkeypatch.setattr(loop.time, "perf_counter", lambda: next(clock))  # a second at every look
    parts = {"a": lambda step: calls.append(("a", step)), "b": lambda step: calls.append(("b", step))}
    seconds = loop.seconds_of(parts, 1, 2, CPU)
    assert calls == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("a", 2), ("a", 3), ("b", 2), ("b", 3)]
    assert seconds == {"a": [0.5], "b": [0.5]}
