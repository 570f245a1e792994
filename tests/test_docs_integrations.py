"""The Python of docs/integrations.md runs as it is printed."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "integrations.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_code_block(block, monkeypatch):
    import timm.data
    import torch

    monkeypatch.setattr(timm.data, "Mixup", timm.data.Mixup)  # put back after the block has changed it
    names = {}
    exec(block, names)
    if "runpy" in names:
        mixup_fn = timm.data.Mixup(num_classes=3, label_smoothing=0.1, mode="batch")
        _, target = mixup_fn(torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2]))
        torch.testing.assert_close(target.sum(1), torch.ones(4))
    if "findings" in names:
        assert names["volumes"].shape == (4, 1, 16, 32, 32)
        assert ((names["soft"] >= 0) & (names["soft"] <= 1)).all()
        of_soft = torch.nn.functional.binary_cross_entropy_with_logits(names["logits"], names["soft"])
        torch.testing.assert_close(names["loss"], of_soft)
    if "folds" in names:
        assert sorted(set(names["folds"].tolist())) == [0, 1, 2, 3]
    if "pixel_classes" in names:
        assert names["pixel_classes"].shape == (4, 32, 32)
    if "targets" in names:
        assert [set(target) for target in names["targets"]] == [{"boxes", "labels", "visible"}] * 2
        assert [len(of_image.points) for of_image in names["points"]] in ([1 + 2, 2 + 1], [2, 4])


def test_the_page_has_its_six_blocks():
    assert len(BLOCKS) == 6
