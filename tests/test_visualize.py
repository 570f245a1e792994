import numpy as np
import pytest
import torch
from PIL import Image

from longtail_mix import SPMix
from longtail_mix.visualize import COLUMNS, attention_panel, pair_panel


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def shown(panel, row: int, column: str) -> np.ndarray:
    return np.asarray(panel.axes[row * len(COLUMNS) + COLUMNS.index(column)].images[0].get_array())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_shows_each_step_of_the_mix(dtype, tmp_path):
    images = torch.rand(2, 2, 3, 16, 24, generator=seeded())
    tail, head = (images * 255).to(torch.uint8) if dtype == torch.uint8 else images
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
        for column, image in expected.items():
            np.testing.assert_array_equal(shown(panel, row, column), image.numpy())
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


def test_attention_is_laid_over_the_image_with_its_outline(tmp_path):
    images = torch.rand(2, 3, 16, 24, generator=seeded())
    masks = torch.zeros(2, 1, 16, 24, dtype=torch.bool)
    masks[0, 0, 4:9, 5:15] = True
    maps = {"before": torch.zeros(2, 1, 4, 6), "after": torch.ones(2, 1, 2, 2)}
    maps["after"][0, 0, 1, 1] = 0.0
    panel = attention_panel(images, masks, maps, titles=["first", "second"])
    assert [axis.get_title() for axis in panel.axes[:3]] == ["image", "before", "after"]
    for row in range(2):
        axes = panel.axes[3 * row : 3 * row + 3]
        for axis, name in zip(axes, (None, *maps), strict=True):
            np.testing.assert_array_equal(np.asarray(axis.images[0].get_array()), images[row].permute(1, 2, 0).numpy())
            assert len(axis.images) == (1 if name is None else 2)
            if name is not None:
                full = torch.nn.functional.interpolate(maps[name][row : row + 1], (16, 24), mode="bilinear")[0, 0]
                np.testing.assert_array_equal(np.asarray(axis.images[1].get_array()), full.numpy())
                assert axis.images[1].get_clim() == (0, 1)
            assert len(axis.collections) == (1 if row == 0 else 0)  # an outline where there is a lesion
    assert [panel.axes[3 * row].get_ylabel() for row in range(2)] == ["first", "second"]
    panel.savefig(tmp_path / "panel.png")
    assert np.asarray(Image.open(tmp_path / "panel.png").convert("L")).std() > 10


def test_attention_panel_bad_input():
    images, masks, maps = torch.rand(2, 3, 8, 8), torch.zeros(2, 1, 8, 8, dtype=torch.bool), torch.rand(2, 1, 2, 2)
    with pytest.raises(ValueError, match="images: expected at least one image, got none"):
        attention_panel(images[:0], masks[:0], {})
    with pytest.raises(ValueError, match=r"masks: expected bool \[2, 1, 8, 8\], got torch.float32"):
        attention_panel(images, masks.float(), {})
    with pytest.raises(ValueError, match=r"masks: expected bool \[2, 1, 8, 8\], got torch.bool \[1, 1, 8, 8\]"):
        attention_panel(images, masks[:1], {})
    with pytest.raises(ValueError, match=r"maps\['a'\]: expected maps \[B, 1, H, W\]"):
        attention_panel(images, masks, {"a": maps[:, 0]})
    with pytest.raises(ValueError, match=r"maps\['a'\]: expected one for each of 2 images, got 1"):
        attention_panel(images, masks, {"a": maps[:1]})
    with pytest.raises(ValueError, match="titles: expected one for each of 2 images, got 1"):
        attention_panel(images, masks, {"a": maps}, titles=["one"])
