"""The gallery: images that are what they say, and figures of them."""

import json

import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.difficulties import made_up, real


def test_made_up_troubles_leave_the_lesions_mask_true():
    images = {image.name: image for image in made_up(64)}
    plain = images["plain"]
    assert plain.image.dtype == torch.uint8
    for name in ("hairs", "ruler", "ink", "sticker", "dark corners"):
        assert torch.equal(images[name].mask, plain.mask)
        changed = (images[name].image != plain.image).any(0)
        assert 0.01 < changed.float().mean() < 0.6, name
    edge = images["touches the border"].mask
    assert edge[0, :, 0].any() or edge[0, -1].any()
    assert 0.02 < edge.float().mean() < 0.5
    assert images["fills the frame"].mask.float().mean() > 0.8


def test_the_command_draws_and_prints(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("ISIC2018_ROOT", raising=False)
    monkeypatch.delenv("ISIC2017_ROOT", raising=False)
    main(["gallery", "--size", "64", "--out", str(tmp_path)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gallery.json", "made_up.png"]
    table = capsys.readouterr().out
    assert "| image | fine-grained | spectral residual | boolean map | skin contrast |" in table
    row = next(line for line in table.splitlines() if line.startswith("| hairs"))
    cells = row.split("|")[2:-1]
    assert all(0 <= float(cell) <= 1 for cell in cells)
    written = json.loads((tmp_path / "gallery.json").read_text())["auroc"]["made_up"]["hairs"]
    assert [f"{value:.3f}" for value in written.values()] == [cell.strip() for cell in cells]


@pytest.mark.usefixtures("isic2018_root")
def test_real_images_are_found_by_name(monkeypatch):
    monkeypatch.delenv("ISIC2017_ROOT", raising=False)
    images = real(32)
    assert [image.name.split("\n")[0] for image in images] == [
        "hairs",
        "ink",
        "dark corners",
        "touches the border",
        "fills the frame",
    ]
    assert images[-1].mask.float().mean() > 0.85
