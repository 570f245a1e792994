"""Each warning appears for what it warns of, names the first offenders, and is silent on a clean set."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from longtail_mix.data import read_folder, read_table
from longtail_mix.preview.duplicates import alike, same_files
from longtail_mix.preview.findings import of_a_detector, of_the_images, of_the_table
from longtail_mix.preview.look import look_at, sample_rows
from longtail_mix.preview.pairs import choose_pairs

SIZE = 64


def found_in(folder):
    data = read_folder(folder)
    looks, unreadable = look_at(data, range(len(data.names)), SIZE, progress=False)
    return of_the_images(data, looks, unreadable, SIZE)


def test_a_clean_set_has_no_warning(folder):
    assert found_in(folder) == []
    data = read_folder(folder)
    assert of_the_table(data, [24, 12]) == []


def test_rare_classes_and_no_tail(folder):
    data = read_folder(folder)
    (rare,) = of_the_table(data, data.class_counts())
    assert rare.text == "1 class has fewer than 10 images to train on"
    assert rare.names == ("tail",)
    assert "no long tail" in of_the_table(data, [24, 20])[0].text


@pytest.mark.parametrize(
    ("name", "image", "text"),
    [
        ("tiny", Image.radial_gradient("L").convert("RGB").resize((40, 90)), "have a side below 64 pixels"),
        ("flat", Image.new("RGB", (80, 80), (90, 80, 70)), "are flat"),
        ("grey", Image.radial_gradient("L"), "have one channel"),
        ("deep", Image.fromarray(np.arange(6400, dtype=np.uint16).reshape(80, 80)), "have 16 or 32 bits"),
    ],
)
def test_an_odd_image_is_named(folder, name, image, text):
    image.save(folder / "head" / f"{name}.png")
    (finding,) = found_in(folder)
    assert finding.text.startswith(f"1 of 28 images looked at {text}")
    assert finding.names == (f"head/{name}.png",)


def test_enlarged_images(folder):
    data = read_folder(folder)
    looks, _ = look_at(data, [0, 1], 128, progress=False)
    (finding,) = of_the_images(data, looks, {}, 128)
    assert finding.text == "2 of 2 images looked at are enlarged to 128 pixels"


def test_a_damaged_file_is_reported_and_the_others_are_read(folder):
    (folder / "head" / "broken.png").write_bytes(b"not an image")
    (finding,) = found_in(folder)
    assert finding.text == "1 of 28 images looked at cannot be read"
    assert finding.names[0].startswith("head/broken.png (UnidentifiedImageError")


def test_the_same_file_under_two_labels_and_on_two_sides(folder):
    shutil.copy(folder / "head" / "00.png", folder / "tail" / "again.png")
    rows = [
        f"{path.relative_to(folder)},{path.parent.name},p{i}" for i, path in enumerate(sorted(folder.rglob("*.png")))
    ]
    sides = ["train"] * 24 + ["test"] * 4
    table = folder / "table.csv"
    lines = [f"{row},{side}" for row, side in zip(rows, sides, strict=True)]
    table.write_text("\n".join(["image,label,patient,side", *lines]).replace("p27", "p0"))
    data = read_table(table, group="patient", side="side", allow_leaks=True)
    assert same_files(data.paths) == [[0, 27]]
    found = {finding.text: finding.names for finding in of_the_table(data, [24, 12])}
    assert found == {
        "1 group has images on several sides of the split": ("p0",),
        "1 file is there more than once": ("head/00.png = tail/again.png",),
        "1 file is there under several labels": ("head/00.png = tail/again.png",),
        "1 file lies on several sides of the split": ("head/00.png = tail/again.png",),
    }


def test_an_image_saved_again_is_the_same_and_one_with_a_nodule_is_not(folder):
    with Image.open(folder / "head" / "00.png") as image:
        image.save(folder / "head" / "again.jpg", quality=80)
        pixels = np.asarray(image).copy()
    pixels[30:40, 30:40] = 255 - pixels[30:40, 30:40]
    Image.fromarray(pixels).save(folder / "head" / "nodule.png")
    data = read_folder(folder)
    looks, _ = look_at(data, range(len(data.names)), SIZE, progress=False)
    pairs = [tuple(data.names[row] for row in pair) for pair in alike(looks)]
    assert pairs == [("head/00.png", "head/again.jpg")]
    assert alike(looks[:1]) == []


def test_a_detector_that_finds_nothing_or_everything(folder):
    data = read_folder(folder)
    looks, _ = look_at(data, range(3), SIZE, progress=False)
    half = torch.zeros(3, 1, 8, 8)
    half[..., :4] = 1.0
    assert of_a_detector(data, "mine", looks, half) == []
    nothing = half.clone()
    nothing[:2] = 0.3
    (finding,) = of_a_detector(data, "mine", looks, nothing)
    assert finding.text == "mine finds nothing on 2 of 3 images"
    assert finding.names == data.names[:2]
    everything = torch.ones_like(half)
    everything[..., 0, 0] = 0.0
    (finding,) = of_a_detector(data, "mine", looks, everything)
    assert finding.text == "mine finds nearly everything salient on 3 of 3 images"


def test_the_classes_take_turns_in_the_sample():
    labels = [0] * 50 + [1] * 3
    rows = sample_rows(labels, range(53), 6, seed=1)
    assert sorted(labels[row] for row in rows) == [0, 0, 0, 1, 1, 1]
    assert rows == sample_rows(labels, range(53), 6, seed=1)
    assert sorted(sample_rows(labels, [2, 51], 6, seed=1)) == [2, 51]


def test_pairs_need_a_readable_image_of_tail_and_head(folder):
    data = read_folder(folder)
    looks, _ = look_at(data, range(24), SIZE, progress=False)
    with pytest.raises(ValueError, match=r"data: expected readable images of a tail class .* got none of \['tail'\]"):
        choose_pairs(data, data.class_counts(), looks, 2, seed=0)
