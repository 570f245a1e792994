import numpy as np
import pytest
import torch
from PIL import Image

from longtail_mix import SPMix
from longtail_mix.visualize import COLUMNS, pair_panel


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def shown(panel, row: int, column: str) -> np.ndarray:
    return np.asarray(panel.axes[row * len(COLUMNS) + COLUMNS.index(column)].images[0].get_array())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_shows_each_step_of_the_mix(dtype, tmp_path):
    pictures = torch.rand(2, 2, 3, 16, 24, generator=seeded())
    tail, head = (pictures * 255).to(torch.uint8) if dtype == torch.uint8 else pictures
    spmix = SPMix(patch_size=8)
    panel = pair_panel(tail, head, spmix, seeded(), titles=["first", "second"])
    ratio = spmix.ratio(tail, head, seeded())
    for row in range(2):
        expected = {
            "tail": tail[row].permute(1, 2, 0),
            "head": head[row].permute(1, 2, 0),
            "tail saliency": spmix.saliency(tail)[row, 0],
            "head saliency": spmix.saliency(head)[row, 0],
            "merged": torch.maximum(spmix.saliency(tail), spmix.saliency(head))[row, 0],
            "ratio": ratio[row, 0],
            "mixed": spmix.mix(tail, head, ratio)[row].permute(1, 2, 0),
        }
        assert tuple(expected) == COLUMNS
        for column, picture in expected.items():
            np.testing.assert_array_equal(shown(panel, row, column), picture.numpy())
    assert [axis.get_title() for axis in panel.axes[: len(COLUMNS)]] == list(COLUMNS)
    assert [panel.axes[row * len(COLUMNS)].get_ylabel() for row in range(2)] == ["first", "second"]
    panel.savefig(tmp_path / "panel.png")
    assert np.asarray(Image.open(tmp_path / "panel.png").convert("L")).std() > 10


def test_bad_input():
    tail = torch.rand(2, 3, 16, 16)
    with pytest.raises(ValueError, match="head: expected shape"):
        pair_panel(tail, tail[:1], SPMix())
    with pytest.raises(ValueError, match="tail: expected at least one pair, got none"):
        pair_panel(tail[:0], tail[:0], SPMix())
    with pytest.raises(ValueError, match="spmix: expected one without mean and std"):
        pair_panel(tail, tail, SPMix(mean=[0.5] * 3, std=[0.5] * 3))
    with pytest.raises(ValueError, match="titles: expected one for each of 2 pairs, got 1"):
        pair_panel(tail, tail, SPMix(), titles=["one"])
