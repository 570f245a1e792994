"""The long-tailed example, very short: its data, its network, its resuming, and every method once."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cifar_lt import CIFAR10, CIFAR100, cifar_lt_task
from images import Images, Task
from long_tail_training import Method, Settings, train, two_streams
from resnet_cifar import ResNetCifar
from torch import nn
from train_lsm import LOSSES, MIXES, drw

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_lsm.py"
SETTINGS = Settings("test_resnet", 32, 2, 8, 0.05, 2e-4, block_size=4, cam_layer="layer2")


def small_task(counts=(20, 8, 4), test=3, size=32) -> Task:
    generator = torch.Generator().manual_seed(0)

    def side(per_class) -> Images:
        labels = torch.arange(len(per_class)).repeat_interleave(torch.tensor(per_class))
        images = torch.randint(0, 256, (len(labels), 3, size, size), dtype=torch.uint8, generator=generator)
        return Images(images, labels, tuple(map(str, range(len(labels)))))

    return Task("small", tuple("abc"), side(counts), side([test] * len(counts)))


def write_cifar(root: Path, data: type[CIFAR10], per_class: int) -> None:
    """A very small CIFAR in the format of the real one."""
    names = [f"class {i}" for i in range(3)]
    batches = [*data.train_list, *data.test_list]
    folder = root / data.base_folder
    folder.mkdir()
    for i, (file, _) in enumerate(batches):
        labels = [label for label in range(3) for _ in range(per_class)]
        pixels = torch.full((len(labels), 3 * 32 * 32), i, dtype=torch.uint8).numpy()
        pixels[:, : 32 * 32] = torch.tensor(labels)[:, None]  # red tells the class
        key = "labels" if data is CIFAR10 else "fine_labels"
        (folder / file).write_bytes(pickle.dumps({"data": pixels, key: labels}))
    key = "label_names" if data is CIFAR10 else "fine_label_names"
    (folder / data.meta["filename"]).write_bytes(pickle.dumps({key: names}))


@pytest.mark.parametrize("data", [CIFAR10, CIFAR100])
def test_reads_cifar_and_cuts_its_tail(data, tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)  # the checksums of the real one
    write_cifar(tmp_path, data, per_class=40)
    task = cifar_lt_task(data, tmp_path, imbalance=4)
    files = 5 if data is CIFAR10 else 1
    assert task.class_counts() == [40 * files, 20 * files, 10 * files]
    assert task.classes == ("class 0", "class 1", "class 2")
    assert task.test.labels.bincount().tolist() == [40, 40, 40]
    for side in (task.train, task.test):
        assert side.images.shape[1:] == (3, 32, 32)
        assert torch.equal(side.images[:, 0, 5, 7].long(), side.labels)  # images and labels belong together
        assert len(set(side.lesions)) == len(side.labels)
    assert torch.equal(cifar_lt_task(data, tmp_path, 4).train.images, task.train.images)
    assert cifar_lt_task(data, tmp_path, 2, max_count=8).class_counts() == [8, 5, 4]


def test_missing_cifar_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="Dataset not found or corrupted"):
        cifar_lt_task(CIFAR10, tmp_path, imbalance=10)


def test_resnet32_is_that_of_the_paper():
    """He et al. 2016, Table 6: 0.46 million weights; 31 convolutions and a classifier."""
    model = nn.Sequential(ResNetCifar(32), nn.Linear(64, 10))
    assert sum(p.numel() for p in model.parameters()) == 464_154
    assert sum(isinstance(m, nn.Conv2d) for m in model.modules()) == 31
    sizes = []
    for layer in (model[0].layer1, model[0].layer2, model[0].layer3):
        layer.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape)))
    assert model(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    assert sizes == [(2, 16, 32, 32), (2, 32, 16, 16), (2, 64, 8, 8)]
    with pytest.raises(ValueError, match="depth: expected 6 n . 2, got 33"):
        ResNetCifar(33)


def test_streams_are_as_they_come_and_balanced():
    task = small_task(counts=(160, 30, 10))
    loader = two_streams(task, batch_size=50, seed=0)
    first = torch.cat([labels for (_, labels), _ in loader])
    balanced = torch.cat([labels for _, (_, labels) in loader])
    assert first.bincount().tolist() == [160, 30, 10]
    assert balanced.bincount().min() > 40


@pytest.mark.parametrize("mix", MIXES)
def test_every_method_trains(mix):
    loss = {"none": "ce", "cmo": "ce-drw"}.get(mix, "ldam-drw")
    method = Method("m", LOSSES[loss][1], MIXES[mix][1], cosine=loss == "ldam-drw")
    run = train(small_task(), method, SETTINGS, seed=0, device=torch.device("cpu"))
    assert len(run.losses) == 2 * (32 // 8)
    assert torch.tensor(run.losses).isfinite().all()
    assert run.logits.shape == (9, 3)


def test_reweighting_begins_where_the_learning_rate_falls():
    settings = replace(SETTINGS, epochs=200)
    assert settings.milestones() == (160, 180)
    assert drw([5, 3], settings).start_epoch == 160


def test_an_interrupted_training_ends_as_if_nothing_had_been(tmp_path):
    def method(stop_at):
        calls = []

        def mix(counts, settings):
            plain = MIXES["cmo"][1](counts, settings)

            def stopping(model, first, balanced):
                calls.append(1)
                if len(calls) == stop_at:
                    raise KeyboardInterrupt
                return plain(model, first, balanced)

            return stopping

        return Method("m", LOSSES["ce-drw"][1], mix)

    task, settings, cpu = small_task(), replace(SETTINGS, epochs=3), torch.device("cpu")
    whole = train(task, method(None), settings, 1, cpu)
    checkpoint = tmp_path / "checkpoints" / "m-1.pt"
    with pytest.raises(KeyboardInterrupt):
        train(task, method(6), settings, 1, cpu, checkpoint)  # in the second of three epochs
    torch.rand(5)
    resumed = train(task, method(None), settings, 1, cpu, checkpoint)
    assert resumed.losses == whole.losses
    assert torch.equal(resumed.logits, whole.logits)
    finished = train(task, method(1), settings, 1, cpu, checkpoint)  # nothing left to train
    assert torch.equal(finished.logits, whole.logits)
    with pytest.raises(ValueError, match="m-1.pt: expected a checkpoint of .*'epochs': 4.*, got .*'epochs': 3"):
        train(task, method(None), replace(settings, epochs=4), 1, cpu, checkpoint)


def test_runs_from_the_command_line_and_leaves_its_results(tmp_path):
    command = [sys.executable, str(EXAMPLE), "--epochs", "1", "--batch-size", "512", "--device", "cpu", "--resume"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path), "--losses", "ce", "--mixes", "none", "lsm"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "| CE + LSM |" in done.stdout
    report = json.loads((tmp_path / "metrics.json").read_text())
    assert list(report["metrics"]) == ["CE", "CE + LSM"]
    assert report["settings"]["block_size"] == 4
    assert len(list((tmp_path / "checkpoints").glob("*.pt"))) == 2
