"""Halves of lesions with masks: by lesion, and those of the benchmark."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from benchmarks.fidelity_data import halves
from longtail_mix.data import CLASSES
from reproduction.data.frames import Squash
from reproduction.data.lesions import Lesions, second_half


@pytest.mark.parametrize("classes", [1, 3])
def test_what_it_learns_from_is_what_the_benchmark_does_not_call_the_second_half(classes):
    labels = torch.arange(40) % classes
    lesions = tuple(f"lesion {i // 4 * 3 + i % classes}" for i in range(40))
    held_out = second_half(labels, lesions)
    assert torch.equal(held_out, halves(labels, lesions))
    of_lesion = dict(zip(lesions, held_out.tolist(), strict=True))
    assert [of_lesion[lesion] for lesion in lesions] == held_out.tolist(), "a lesion on both sides"
    assert 0.3 < held_out.float().mean() < 0.7


def test_made_up_lesions_are_dealt_into_halves():
    task = Lesions(("synthetic",)).task(Squash(32), 0)
    train, test = task.train, task.test()
    assert len(train) == len(test) == 210
    assert not set(train.groups) & set(test.groups)
    assert task.classes == ("lesion",)
    inside = [side.images.float().mean(1)[side.masks[:, 0]].mean() for side in (train, test)]
    outside = [side.images.float().mean(1)[~side.masks[:, 0]].mean() for side in (train, test)]
    assert all(own < other for own, other in zip(inside, outside, strict=True))  # lesions are dark


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
    frame = Squash(8, tmp_path / "cache")
    for sets, count in ((("isic2018",), 4), (("isic2017",), 2), (("isic2017", "isic2018"), 6)):
        task = Lesions(sets, isic2017=older).task(frame, 0)
        sides = task.train, task.test()
        assert [len(side) for side in sides] == [count / 2, count / 2]
        for side in sides:
            assert side.masks[..., :4].all()
            assert not side.masks[..., 4:].any()


def frames(images: Path, masks: Path, names: list[str]) -> None:
    """Flat images whose left half is lesion."""
    mask = Image.new("L", (16, 8))
    mask.paste(255, (0, 0, 8, 8))
    for folder in (images, masks):
        folder.mkdir(parents=True)
    for name in names:
        Image.new("RGB", (16, 8), (200, 150, 120)).save(images / f"{name}.jpg")
        mask.save(masks / f"{name}_segmentation.png")


def test_sets_are_named_once():
    with pytest.raises(ValueError, match="sets: expected some, each once, got"):
        Lesions(("isic2017", "isic2017"))
