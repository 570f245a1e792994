"""The Python of the README, and of the page of all operators, runs as it is printed."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

import longtail_mix.data

ROOT = Path(__file__).parents[1]
PAGES = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/overview.md")]
BLOCKS = [block for page in PAGES for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)]


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_code_block(block, monkeypatch):
    monkeypatch.setattr(longtail_mix.data, "read_isic2018", FewImages)
    monkeypatch.setattr(longtail_mix.data, "load_images", lambda paths, size: torch.zeros(len(paths), 3, size, size))
    images, labels = torch.rand(4, 3, 224, 224), torch.tensor([0, 0, 6, 1])
    names = {
        "class_counts": [50, 30, 30, 20, 20, 9, 5],
        "train_labels": torch.arange(7).repeat_interleave(torch.tensor([50, 30, 30, 20, 20, 9, 5])),
        "device": "cpu",
        "mean": [0.5] * 3,
        "std": [1.0] * 3,
        "loader": [(images - 0.5, labels)],
        "model": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 7)),
        "criterion": nn.CrossEntropyLoss(),
        "tail_images": images[:2],
        "head_images": images[2:],
        "stem": nn.Conv2d(3, 768, 16, stride=16),
        "images": images - 0.5,
        "labels": labels,
        "backbone": nn.Conv2d(3, 8, 32, stride=32),
        "head": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 7)),
        "mask": torch.ones(4, 1, 224, 224, dtype=torch.bool).triu(),
        "has_mask": labels == 6,
        "blocks": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(768, 7)),
    }
    torch.manual_seed(0)  # the third image is among those that are mixed
    exec(block, names)
    if "loss" in names:
        assert names["loss"].isfinite()
        assert names["images"].shape == images.shape
        assert torch.equal(names["targets"].labels, labels)
        assert (names["targets"].lam == 1).all()
        changed = (names["images"] != images - 0.5).flatten(1).any(1)
        assert changed.any()
        assert not changed.all()
    if "value" in names:
        assert names["value"].isfinite()
    if "target" in names:
        assert names["target"].lam.tolist() == [1, 1, pytest.approx(names["target"].lam[2].item()), 1]
        assert torch.equal(names["mixed"][:2], names["images"][:2])
    if "cam" in names:
        assert names["backbone"].weight.grad.abs().sum() > 0
    if "logits" in names:
        assert names["logits"].shape == (2, 7)
    if "made_up" in names:
        assert names["made_up"].labels.bincount().tolist() == [500, 100, 20]
        assert set(names["split"].train.tolist()).isdisjoint(names["split"].test.tolist())


def test_the_blocks_are_found():
    assert len(BLOCKS) == 5


class FewImages:
    """As much of the real data set as the README touches."""

    paths = ("a.jpg",) * 1400
    labels = torch.arange(1400) % 7
    lesions = tuple(map(str, range(1400)))
