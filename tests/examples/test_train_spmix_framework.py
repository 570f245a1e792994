"""The command as a user starts it, very short; resumed, extended, refused."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import train_spmix_framework
from accelerate.state import AcceleratorState
from images import Images, Task, isic2018_task
from run_folder import RunFolder
from train_spmix_framework import SYNTHETIC_VALIDATION_PER_CLASS, arguments, main, planned
from training_program import Training

from longtail_mix.data import balanced_split, synthetic_dermoscopy

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_spmix_framework.py"
SHORT = ["--backbone", "tiny_hybrid", "--size", "32", "--patch-size", "8", "--batch-size", "16", "--queue-size", "64"]
SHORT += ["--device", "cpu"]
COUNTS = [50, 40, 30, 20, 9, 7, 5]


@pytest.fixture(autouse=True)
def accelerators() -> Iterator[None]:
    """What accelerate keeps in a process is forgotten after the test."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Task:
    """Few images in the place of the made-up ones."""
    sides = []
    for seed, counts in enumerate((COUNTS, [3] * 7, [2] * 7)):
        made = synthetic_dermoscopy(counts, 32, seed=seed)
        sides.append(Images(made.images, made.labels, made.lesions))
    task = Task("small", tuple("abcdefg"), *sides)

    def made_up(size: int, seed: int, background_cue: float, validation_per_class: int) -> Task:
        assert (size, seed, background_cue, validation_per_class) == (32, 0, 0.9, SYNTHETIC_VALIDATION_PER_CLASS)
        return task

    monkeypatch.setattr(train_spmix_framework, "synthetic_task", made_up)
    return task


def test_from_the_command_line_to_the_metrics(tmp_path):
    command = [sys.executable, "-W", "error", str(EXAMPLE), *SHORT, "--steps", "3", "--tracker", "tensorboard"]
    command += ["--methods", "ce", "spmix", "--out", str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "| against ce | many | medium | few | accuracy | macro f1 | balanced accuracy |" in done.stdout
    assert "images/s" in done.stderr
    for name in ("ce", "spmix-paper"):
        folder = tmp_path / name / "seed-0"
        report = json.loads((folder / "metrics.json").read_text())
        assert report["settings"]["backbone"] == "tiny_hybrid"
        assert report["steps"] == 3
        assert report["best_step"] == 3
        assert report["images_per_second"] > 0
        assert len(report["metrics"][name]["macro_f1"]["interval"]) == 2
        lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
        assert [sorted(line) for line in lines] == [["loss", "step"]] * 3 + [["step", "validation"]]
        (start,) = json.loads((folder / "environment.json").read_text())
        assert start["device"] == "cpu"
        assert "--methods ce spmix" in start["command"]
        assert list(folder.glob("logs/longtail_mix/events.out.tfevents.*"))
        for image in ("panel.png", "training_curve.png"):
            assert (folder / image).read_bytes().startswith(b"\x89PNG")
    assert list(json.loads((tmp_path / "metrics.json").read_text())["metrics"]) == ["ce", "spmix-paper"]


def trained(out: Path, *words: str) -> None:
    main([*SHORT, "--steps", "12", "--learning-rate", "1e-3", "--checkpoint-every", "2", "--out", str(out), *words])


@pytest.mark.usefixtures("small")
def test_the_same_command_goes_on_where_it_was_stopped(tmp_path, monkeypatch, capsys):
    trained(tmp_path / "whole")
    step = Training._step

    def stopped(self: Training, number: int) -> torch.Tensor:
        if number == 7:
            raise KeyboardInterrupt
        return step(self, number)

    with monkeypatch.context() as patched:
        patched.setattr(Training, "_step", stopped)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "stopped")
    folder = tmp_path / "stopped" / "spmix-paper" / "seed-0"
    assert torch.load(folder / "last.pt", weights_only=True)["progress"]["step"] == 6
    trained(tmp_path / "stopped")
    assert len(json.loads((folder / "environment.json").read_text())) == 2
    whole, resumed = (
        torch.load(tmp_path / name / "spmix-paper" / "seed-0" / "predictions.pt", weights_only=True)
        for name in ("whole", "stopped")
    )
    assert whole["losses"] == resumed["losses"]
    assert torch.equal(whole["logits"], resumed["logits"])

    # Once more: nothing is trained again, and other trainings join the table.
    monkeypatch.setattr(Training, "_step", stopped)
    capsys.readouterr()
    trained(tmp_path / "stopped")
    assert f"{folder}: done before" in capsys.readouterr().out
    monkeypatch.setattr(Training, "_step", step)
    trained(tmp_path / "stopped", "--methods", "ce", "--seeds", "0", "1")
    printed = capsys.readouterr().out
    assert "| against ce |" in printed
    assert "\nseeds: ce 0 1, spmix-paper 0\n" in printed
    summary = json.loads((tmp_path / "stopped" / "metrics.json").read_text())
    assert summary["seeds"] == {"ce": [0, 1], "spmix-paper": [0]}
    difference = summary["metrics"]["spmix-paper"]["accuracy"]["difference"]
    means = [summary["metrics"][name]["accuracy"]["mean"] for name in ("spmix-paper", "ce")]
    assert difference == pytest.approx(means[0] - means[1], abs=1e-4)

    # Seeds are averaged: those of another training are no more of the same.
    with pytest.raises(SystemExit):
        trained(tmp_path / "stopped", "--methods", "ce", "--seeds", "2", "--learning-rate", "1e-4")
    error = capsys.readouterr().err
    assert "seed-0: expected this training with another seed, got another: learning_rate 0.001 there and" in error
    with RunFolder(folder, {}).held(), pytest.raises(SystemExit):
        trained(tmp_path / "stopped")
    assert "expected a folder nobody trains in, got one that is in use" in capsys.readouterr().err


def test_starting_over_and_other_images(tmp_path, small, monkeypatch):
    trained(tmp_path, "--methods", "ce", "--steps", "1")
    folder = tmp_path / "ce" / "seed-0"
    first = (folder / "metrics.json").read_text()

    # Killed before the metrics, and the best weights are of a step that the training did not come to again.
    best = torch.load(folder / "best.pt", weights_only=True)
    best["progress"]["step"] = 7
    torch.save(best, folder / "best.pt")
    (folder / "metrics.json").unlink()
    trained(tmp_path, "--methods", "ce", "ce", "--steps", "1")
    assert json.loads((folder / "metrics.json").read_text())["best_step"] == 7
    trained(tmp_path, "--methods", "ce", "--steps", "1", "--fresh")
    assert len(json.loads((folder / "environment.json").read_text())) == 1
    assert (
        json.loads(first)["metrics"]["ce"]["recall"]
        == json.loads((folder / "metrics.json").read_text())["metrics"]["ce"]["recall"]
    )
    other = Task(small.name, small.classes, small.train, small.train)
    monkeypatch.setattr(train_spmix_framework, "synthetic_task", lambda *_: other)
    with pytest.raises(ValueError, match="expected the test images of small, got others; use another --out"):
        trained(tmp_path, "--methods", "ce", "--steps", "1", "--name", "another", "--fresh")
    assert [path.name for path in (tmp_path / "another" / "seed-0").iterdir()] == ["config.json"]  # nothing was trained
    trained(tmp_path / "elsewhere", "--methods", "ce", "--steps", "1")
    metrics = json.loads((tmp_path / "elsewhere" / "ce" / "seed-0" / "metrics.json").read_text())
    assert metrics["best_step"] == 1  # no validation side: the last is the best
    assert metrics["validation"] == []


REFUSED = [
    (["--size", "30"], "size: expected a multiple of the patch size 8, got 30"),
    (["--methods", "bce"], "method: expected one of ce, .*, got 'bce'"),
    (["--recipe", "ours", "--loss", "triplet"], "loss: expected one of supcon, paco, bcl, got 'triplet'"),
    (["--methods", "ce", "--no-patches"], "patches: expected True for ce"),
    (["--precision", "fp16"], "precision: expected no or bf16 on a CPU, got 'fp16'"),
    (["--backbone", "resnet51"], "backbone: expected tiny_hybrid or a timm model"),
    (["--tracker", "paper"], "tracker: expected an installed one of .*tensorboard.*, got 'paper'"),
    (["--steps", "0"], "steps: expected 1 or more, got 0"),
    (["--checkpoint-every", "0"], "checkpoint_every: expected 1 or more, got 0"),
    (["--methods", "mislas", "--steps", "5"], "steps: expected epochs for mislas"),
    (["--methods", "ce", "bcl", "--name", "x"], "name: expected one method with it, got ce, bcl"),
    (["--out", "{used}"], "expected an empty folder or a training's, got one without config.json"),
    (["--frames-on", "moon"], "invalid choice: 'moon'"),
    (["--magnitude", "many"], "invalid int value: 'many'"),
]


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_what_cannot_work_is_refused_before_any_data_is_read(words, message, tmp_path, monkeypatch, capsys):
    for name in ("synthetic_task", "isic2018_task"):
        monkeypatch.setattr(train_spmix_framework, name, lambda *_, **__: pytest.fail("the data were read"))
    used = tmp_path / "used"
    (used / "spmix-paper" / "seed-0").mkdir(parents=True)
    (used / "spmix-paper" / "seed-0" / "thesis.tex").touch()
    words = [word.format(used=used) for word in words]
    with pytest.raises(SystemExit) as end:
        main([*SHORT, "--out", str(tmp_path / "out"), *words])
    assert end.value.code == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([*SHORT, "--device", "cuda", "--out", str(tmp_path)])
    assert "device: expected cpu, as PyTorch sees no CUDA device, got cuda" in capsys.readouterr().err


def test_options_change_the_recipe_and_name_the_folder(tmp_path):
    words = ["--recipe", "released", "--methods", "spmix", "bcl", "--seeds", "3", "4"]
    words += ["--alpha", "0.5", "--crop-scale", "0.5", "0.9", "--no-saliency"]
    runs = planned(arguments([*words, "--out", str(tmp_path), "--data", "isic2018"])[1])
    assert [str(run.folder.path.relative_to(tmp_path)) for run in runs] == [
        f"{name}/seed-{seed}"
        for seed in (3, 4)
        for name in ("spmix-released-no-saliency-guided", "bcl-no-saliency-guided")
    ]
    config = runs[0].config
    assert (config.loss, config.ratio, config.alpha, config.crop_scale) == ("paco", "released", 0.5, (0.5, 0.9))
    assert (config.patches, config.saliency_guided, config.seed) == (True, False, 3)
    assert runs[0].folder.config["split"] == "balanced"
    assert planned(arguments(["--steps", "5"])[1])[0].folder.config["steps"] == 5


def test_real_images_have_a_validation_side(isic2018_root, tmp_path):
    task = isic2018_task(32, 0, balanced_split, isic2018_root, tmp_path)
    assert task.validation is not None
    assert [torch.bincount(side.labels).tolist() for side in (task.validation, task.test)] == [[46] * 7, [40] * 7]
    assert not set(task.validation.lesions) & (set(task.train.lesions) | set(task.test.lesions))
