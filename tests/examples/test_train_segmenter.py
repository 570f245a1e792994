import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from segmenters import NETWORKS, build_segmenter, load_segmenter, save_segmenter

from longtail_mix.saliency import SegmentationSaliency

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_segmenter.py"


def test_runs_from_the_command_line_and_its_checkpoint_is_a_saliency(tmp_path):
    command = [sys.executable, str(EXAMPLE), "--data", "synthetic", "--size", "32", "--steps", "2", "--batch-size", "4"]
    done = subprocess.run(
        [*command, "--device", "cpu", "--out", str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "Dice on 210 pictures that were not trained on:" in done.stdout
    assert 0 <= json.loads((tmp_path / "metrics.json").read_text())["held_out_dice"] <= 1
    saliency = SegmentationSaliency(load_segmenter(tmp_path / "segmenter.pt"))
    assert saliency(torch.rand(1, 3, 32, 48)).shape == (1, 1, 32, 48)


def test_checkpoints_give_the_same_network_back(tmp_path):
    model = build_segmenter("lraspp", 64).eval()
    save_segmenter(tmp_path / "a" / "segmenter.pt", "lraspp", 64, model)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["segmenter.pt"]
    pictures = torch.rand(1, 3, 64, 64)
    again = load_segmenter(tmp_path / "a" / "segmenter.pt").eval()
    with torch.no_grad():
        assert torch.equal(again(pictures)["out"], model(pictures)["out"])
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


def test_deeplabv3_is_the_one_of_torchvision():
    assert type(NETWORKS["deeplabv3"]()).__name__ == "DeepLabV3"
