"""The figures of docs/operators.md: one for each mix, and the page names them all."""

import re
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from PIL import Image

import draw_mixes

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "operators.md").read_text(encoding="utf-8")
NAMES = ["mixup", "cutmix", "remix", "cmo", "saliency_mix", "lsm", "spmix", "other_skin"]


def test_a_figure_for_each_mix(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["draw_mixes.py", str(tmp_path / "figures")])
    draw_mixes.main()
    for name in NAMES:
        with Image.open(tmp_path / "figures" / f"{name}.png") as figure:
            assert figure.width > figure.height
            assert len(figure.convert("RGB").getcolors(2**20) or ()) > 100


def test_the_page_shows_every_figure_with_the_labels_above_its_mixes():
    shown = re.findall(r"!\[([^]]*)\]\(figures/mixes/(\w+)\.png\)", PAGE.replace("\n", " "))
    assert [name for _, name in shown] == NAMES
    assert sorted(path.stem for path in (DOCS / "figures" / "mixes").iterdir()) == sorted(NAMES)
    panels = draw_mixes.figures(seed=2)
    for text, name in shown[:-2]:
        said = re.findall(r"\d\.\d\d", text)
        drawn = [panel.title.split("\n")[1].split()[0] for panel in panels[name] if "\n" in panel.title]
        assert said == drawn, name


@pytest.mark.parametrize("page", ["operators.md", "lsm.md"])
def test_the_code_of_the_pages_runs(page):
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    images, labels = torch.rand(8, 3, 32, 32), torch.tensor([0, 0, 1, 2, 0, 1, 0, 2])
    model = torch.nn.Sequential(
        OrderedDict(
            layer4=torch.nn.Conv2d(3, 4, 3, stride=4),
            pool=torch.nn.AdaptiveAvgPool2d(1),
            flatten=torch.nn.Flatten(),
            classifier=torch.nn.Linear(4, 3),
        )
    )
    names = {
        "model": model,
        "criterion": torch.nn.CrossEntropyLoss(reduction="none"),
        "images": images,
        "labels": labels,
        "first": images,
        "first_labels": labels,
        "second": images.flip(0),
        "second_labels": labels.flip(0),
        "tail": images,
        "tail_labels": labels,
        "head": images.flip(0),
        "head_labels": labels.flip(0),
        "masks": torch.zeros(8, 1, *images.shape[2:]),
        "tail_cam": torch.rand(8, 1, 8, 8),
        "head_cam": torch.rand(8, 1, 8, 8),
        "dataset": torch.utils.data.TensorDataset(images, labels),
        "class_counts": [50, 30, 5],
        "mean": [0.0] * 3,
        "std": [1.0] * 3,
    }
    for block in blocks:
        exec(block, names)
        assert names["target"].lam.shape == (8,)
    if "loader" in names:
        assert next(iter(names["loader"]))[0].shape == images.shape
    assert names["loss"].isfinite()
