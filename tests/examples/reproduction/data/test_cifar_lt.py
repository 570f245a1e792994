"""CIFAR as torchvision has it on disk, cut to a long tail."""

import pickle
from pathlib import Path

import pytest
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from reproduction.data.cifar_lt import CifarLT
from reproduction.data.frames import Squash
from reproduction.training.describe import describe


def write_cifar(root: Path, data: type[CIFAR10], per_class: int) -> None:
    """A very small CIFAR in the format of the real one."""
    names = [f"class {i}" for i in range(3)]
    folder = root / data.base_folder
    folder.mkdir()
    for i, (file, _) in enumerate([*data.train_list, *data.test_list]):
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
    classes, files = (10, 5) if data is CIFAR10 else (100, 1)
    source = CifarLT(classes, imbalance=4, root=tmp_path)
    task = source.task(Squash(32), 0)
    assert task.class_counts() == (40 * files, 20 * files, 10 * files)
    assert task.classes == ("class 0", "class 1", "class 2")
    assert task.name == f"CIFAR-{classes}-LT, imbalance 4"
    assert task.validation is None
    assert task.test().labels.bincount().tolist() == [40, 40, 40]
    for side in (task.train, task.test()):
        assert side.images.shape[1:] == (3, 32, 32)
        assert torch.equal(side.images[:, 0, 5, 7].long(), side.labels)  # images and labels belong together
        assert len(set(side.groups)) == len(side)
    assert torch.equal(source.task(Squash(32), 1).train.images, task.train.images)
    assert CifarLT(classes, 2, 8, root=tmp_path).task(Squash(32), 0).class_counts() == (8, 5, 4)


def test_what_is_refused():
    with pytest.raises(ValueError, match="frame.size: expected 32 for CIFAR, got 64"):
        CifarLT().task(Squash(64), 0)


def test_missing_files_are_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="Dataset not found or corrupted"):
        CifarLT(10, root=tmp_path).task(Squash(32), 0)


def test_where_it_lies_is_not_what_it_is(tmp_path):
    assert describe(CifarLT(root=tmp_path, download=True)) == describe(CifarLT())
    assert describe(CifarLT(10)) != describe(CifarLT(100))
