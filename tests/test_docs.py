"""The Python in docs/ runs as it is printed, page by page; the API pages have every public name once."""

import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import TensorDataset

import longtail_mix
from longtail_mix import InBatch, MixedTarget, MixUp, PaCoLoss, RandomPairing, functional, losses
from tools.api_pages import TITLES, public_names

DOCS = Path(__file__).parents[1] / "docs"
BLOCKS = {
    path.name: blocks
    for path in sorted(DOCS.glob("*.md"))
    if path.name != "overview.md"  # with the README's, in test_readme.py
    and (blocks := re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL))
}
COUNTS = [50, 30, 9]


class Network(nn.Module):
    """Three classes, with the layer that LSM's page looks at."""

    def __init__(self) -> None:
        super().__init__()
        self.layer4 = nn.Conv2d(3, 8, 8, stride=8)
        self.head = nn.Linear(8, len(COUNTS))

    def forward(self, images):
        return self.head(self.layer4(images).mean((-2, -1)))


def names_of(page):
    """What the page's code finds in its reader's program."""
    images, other = torch.rand(4, 3, 64, 64), torch.rand(4, 3, 64, 64)
    labels, others = torch.tensor([0, 0, 1, 2]), torch.tensor([1, 2, 0, 0])
    shared = {
        "torch": torch,
        "nn": nn,
        "random": random,
        "MixedTarget": MixedTarget,
        "device": "cpu",
        "class_counts": COUNTS,
        "model": Network(),
        "criterion": nn.CrossEntropyLoss(),
        "mean": None,
        "std": None,
        "images": images,
        "labels": labels,
        "first": images,
        "first_labels": labels,
        "second": other,
        "second_labels": others,
        "loader": [(images, labels)],
        "masks": torch.ones(4, 1, 64, 64, dtype=torch.bool),
        "num_classes": len(COUNTS),
        "per_sample_criterion": nn.CrossEntropyLoss(reduction="none"),
    }
    features = torch.randn(4, 8)
    own = {
        "contrastive.md": {
            **{name: getattr(losses, name) for name in losses.__all__},
            "queries": features,
            "keys": torch.randn(4, 8),
            "queue": torch.randn(6, 8),
            "target": labels,
            "key_labels": None,
            "queue_labels": torch.tensor([0, 1, 2, 0, 1, 2]),
            "prototypes": torch.randn(3, 8),
            "logits": torch.randn(4, 3),
            "encoder": nn.Sequential(nn.Flatten(), nn.Linear(192, 8)),
            "projection": nn.Linear(8, 5),
            "width": 8,
            "dim": 5,
            "PaCoLoss": PaCoLoss,
            "loader": [(images[..., :8, :8], other[..., :8, :8], labels)],
        },
        "inside.md": {"two_streams": [((other, others), (images, labels))]},
        "lsm.md": {
            "tail": images,
            "tail_labels": labels,
            "head": other,
            "head_labels": others,
            "tail_cam": torch.rand(4, 1, 8, 8),
            "head_cam": torch.rand(4, 1, 8, 8),
            "criterion": nn.CrossEntropyLoss(reduction="none"),
        },
        "operators.md": {"dataset": TensorDataset(images, labels), "mix": InBatch(MixUp(), RandomPairing())},
        "sampling.md": {"train": TensorDataset(torch.zeros(128, 1), torch.arange(128) % 3)},
    }
    return shared | own.get(page, {})


@pytest.mark.parametrize("page", BLOCKS)
def test_the_code_of_a_page(page, tmp_path, monkeypatch, capsys):
    if page == "integrations.md":
        timm = pytest.importorskip("timm")
        monkeypatch.setattr(timm.data, "Mixup", timm.data.Mixup)  # the page replaces it
    if page == "quickstart.md":
        pytest.importorskip("torchmetrics")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        draw = np.random.default_rng(0)
        for name, count in (("common", 20), ("rare", 6), ("rarest", 5)):
            (tmp_path / "images" / name).mkdir(parents=True)
            for i in range(count):
                noise = draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(noise).save(tmp_path / "images" / name / f"{i}.png")
    names = names_of(page)
    for block in BLOCKS[page]:
        exec(block, names)
    if "loss" in names:
        assert names["loss"].isfinite()
    if page == "quickstart.md":
        assert "balanced" in capsys.readouterr().out


def test_every_public_name_has_a_place_in_the_reference():
    documented = {name for names in public_names().values() for name in names}
    for module in (longtail_mix, functional):
        wanted = {f"{module.__name__}.{name}" for name in module.__all__ if name not in ("__version__", "functional")}
        assert wanted <= documented
    assert "longtail_mix.data.read_table" in documented
    assert "longtail_mix.metrics.MixFidelity" in documented
    assert "longtail_mix.mixing.SPMix" not in documented, "once is enough"
    assert set(public_names()) <= set(TITLES)
