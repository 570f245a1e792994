"""Checkpoints of segmenters: the same network comes back, other files are refused."""

import pytest
import torch
import torch.nn.functional as F

from reproduction.networks.segmenters import build_segmenter, load_segmenter, save_segmenter


def test_checkpoints_give_the_same_network_back(tmp_path):
    model = build_segmenter("lraspp", 64).eval()
    save_segmenter(tmp_path / "a" / "segmenter.pt", "lraspp", 64, model)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["segmenter.pt"]
    images = torch.rand(1, 3, 64, 64)
    again = load_segmenter(tmp_path / "a" / "segmenter.pt").eval()
    with torch.no_grad():
        assert torch.equal(again(images)["out"], model(images)["out"])
        other = torch.rand(1, 3, 128, 96)
        resized = F.interpolate(other, (64, 64), mode="bilinear", antialias=True)
        assert torch.equal(again(other)["out"], model(resized)["out"])


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_segmenter(tmp_path / "none.pt")
    torch.save({"weights": {}}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="expected a segmenter's checkpoint with 'network', 'size' and 'weights'"):
        load_segmenter(tmp_path / "other.pt")
    torch.save({"network": "unet", "size": 64, "weights": {}}, tmp_path / "unknown.pt")
    with pytest.raises(ValueError, match=r"expected one of \['deeplabv3', 'lraspp'\], got 'unet'"):
        load_segmenter(tmp_path / "unknown.pt")
