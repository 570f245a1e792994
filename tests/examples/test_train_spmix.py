"""The example as a user starts it, very short; and what it feeds to the network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from images import Images, Task, isic2018_task, synthetic_task
from training import Method, Settings, draw_rows, train

from longtail_mix.data import stratified_split

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_spmix.py"
SETTINGS = Settings("test_resnet", 32, steps=30, batch_size=64, learning_rate=2e-3, weight_decay=0.05)


def test_runs_from_the_command_line_and_leaves_its_results(tmp_path):
    command = [sys.executable, str(EXAMPLE), "--steps", "3", "--size", "32", "--batch-size", "16", "--device", "cpu"]
    methods = ["ce", "resample", "spmix", "spmix-half", "spmix-skin", "spmix-fidelity", "spmix-released"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path), "--methods", *methods], capture_output=True, text=True, check=True
    )
    assert "| test, % | many | medium | few | accuracy | macro f1 | balanced accuracy |" in done.stdout
    assert "3/3" in done.stderr  # a progress bar
    report = json.loads((tmp_path / "metrics.json").read_text())
    assert len(report["metrics"]) == len(methods)
    assert report["seeds"] == [0]
    for name in ("panel.png", "training_curve.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_a_missing_data_set_is_an_error_before_anything_is_trained(tmp_path):
    command = [sys.executable, str(EXAMPLE), "--data", "isic2018", "--out", str(tmp_path)]
    environment = os.environ | {"ISIC2018_ROOT": str(tmp_path / "none")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode != 0
    assert "FileNotFoundError" in done.stderr
    assert "none: not found; expected the layout of ISIC 2018 Task 3" in done.stderr


def test_rows_cover_epochs_or_balance_classes():
    task = synthetic_task(32, seed=0)
    torch.manual_seed(0)
    plain = draw_rows(task, False, SETTINGS)
    assert plain.shape == (30, 64)
    assert len(plain.unique()) == 30 * 64  # less than one epoch of 2,430: no image twice
    balanced = task.train.labels[draw_rows(task, True, SETTINGS).flatten()]
    shares = balanced.bincount(minlength=7) / len(balanced)
    assert (shares - 1 / 7).abs().max() < 3 * (6 / 49 / len(balanced)) ** 0.5


def test_methods_of_one_seed_start_alike_and_repeat_exactly():
    task = synthetic_task(32, seed=0)
    short = Settings("test_resnet", 32, steps=2, batch_size=16, learning_rate=2e-3, weight_decay=0.05)
    first, again = (train(task, Method("plain", balanced=False), short, seed=3) for _ in range(2))
    assert first.losses == again.losses
    assert torch.equal(first.logits, again.logits)
    same = train(task, Method("identity", False, lambda images, labels: (images, labels)), short, seed=3)
    assert same.losses == first.losses
    other = train(task, Method("plain", balanced=False), short, seed=4)
    assert other.losses[0] != first.losses[0]


def test_training_learns_something():
    task = synthetic_task(32, seed=0)
    run = train(task, Method("plain", balanced=False), SETTINGS, seed=0)
    assert sum(run.losses[-5:]) < 0.9 * sum(run.losses[:5])
    assert run.logits.shape == (420, 7)


def test_a_side_without_a_class_is_refused_before_training():
    some = Images(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), ("a", "b"))
    with pytest.raises(ValueError, match=r"test: expected images of every class of \('x', 'y'\), got \[1, 0\]"):
        Task("t", ("x", "y"), some, Images(some.images[:1], some.labels[:1], ("a",)))


def test_real_images(isic2018_root, tmp_path):
    task = isic2018_task(32, 0, stratified_split, isic2018_root, tmp_path)
    assert sum(task.class_counts()) == 8012
    assert len(task.test.labels) == 2003
    assert not set(task.train.lesions) & set(task.test.lesions)
