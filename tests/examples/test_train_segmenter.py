import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from segmenters import NETWORKS, build_segmenter, load_segmenter, save_segmenter
from train_segmenter import READERS, second_half

from benchmarks.fidelity_data import halves
from longtail_mix.data import CLASSES
from longtail_mix.saliency import SegmentationSaliency

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_segmenter.py"


def test_runs_from_the_command_line_and_its_checkpoint_is_a_saliency(tmp_path):
    command = [sys.executable, str(EXAMPLE), "--data", "synthetic", "--size", "32", "--steps", "2", "--batch-size", "4"]
    done = subprocess.run(
        [*command, "--device", "cpu", "--out", str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "Dice on 210 images that were not trained on:" in done.stdout
    assert 0 <= json.loads((tmp_path / "metrics.json").read_text())["held_out_dice"] <= 1
    saliency = SegmentationSaliency(load_segmenter(tmp_path / "segmenter.pt"))
    assert saliency(torch.rand(1, 3, 32, 48)).shape == (1, 1, 32, 48)


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


def test_deeplabv3_is_the_one_of_torchvision():
    assert type(NETWORKS["deeplabv3"]()).__name__ == "DeepLabV3"


@pytest.mark.parametrize("classes", [1, 3])
def test_what_it_learns_from_is_what_the_benchmark_does_not_call_the_second_half(classes):
    labels = torch.arange(40) % classes
    lesions = tuple(f"lesion {i // 4 * 3 + i % classes}" for i in range(40))
    held_out = second_half(labels, lesions)
    assert torch.equal(held_out, halves(labels, lesions))
    of_lesion = dict(zip(lesions, held_out.tolist(), strict=True))
    assert [of_lesion[lesion] for lesion in lesions] == held_out.tolist(), "a lesion on both sides"
    assert 0.3 < held_out.float().mean() < 0.7


def test_reads_the_masks_of_both_challenges(tmp_path, monkeypatch):
    challenge = tmp_path / "2018"
    rows = [("ISIC_1", "NV", "a"), ("ISIC_2", "MEL", "b"), ("ISIC_3", "NV", "c"), ("ISIC_4", "MEL", "d")]
    table = [
        "image," + ",".join(CLASSES),
        *(f"{n}," + ",".join(str(float(c == k)) for c in CLASSES) for n, k, _ in rows),
    ]
    groups = ["image,lesion_id,diagnosis_confirm_type", *(f"{name},{lesion},x" for name, _, lesion in rows)]
    truth = challenge / "ISIC2018_Task3_Training_GroundTruth" / "ISIC2018_Task3_Training_GroundTruth.csv"
    truth.parent.mkdir(parents=True)
    truth.write_text("\n".join(table) + "\n")
    (challenge / "ISIC2018_Task3_Training_LesionGroupings.csv").write_text("\n".join(groups) + "\n")
    names = [name for name, _, _ in rows]
    frames(challenge / "ISIC2018_Task3_Training_Input", challenge / "HAM10000_segmentations_lesion_tschandl", names)
    older = tmp_path / "2017"
    frames(older / "ISIC-2017_Training_Data", older / "ISIC-2017_Training_Part1_GroundTruth", ["ISIC_8", "ISIC_9"])
    monkeypatch.setenv("ISIC2018_ROOT", str(challenge))
    monkeypatch.setenv("ISIC2017_ROOT", str(older))
    options = argparse.Namespace(size=8, cache_dir=tmp_path / "cache", seed=0)
    for name, count in (("isic2018", 4), ("isic2017", 2)):
        images, masks, held_out = READERS[name](options)
        assert images.shape == (count, 3, 8, 8)
        assert masks.shape == (count, 1, 8, 8)
        assert masks[..., :4].all()
        assert not masks[..., 4:].any()
        assert held_out.sum() == count / 2


def frames(images: Path, masks: Path, names: list[str]) -> None:
    """Flat images whose left half is lesion."""
    mask = Image.new("L", (16, 8))
    mask.paste(255, (0, 0, 8, 8))
    for folder in (images, masks):
        folder.mkdir(parents=True)
    for name in names:
        Image.new("RGB", (16, 8), (200, 150, 120)).save(images / f"{name}.jpg")
        mask.save(masks / f"{name}_segmentation.png")
