"""ImageNet-LT and iNaturalist 2018 in their own layouts, made up; what is wrong in them is named."""

import json
import re

import pytest
import torch
from PIL import Image

from reproduction.data.frames import Squash
from reproduction.data.inaturalist import INaturalist2018
from reproduction.data.listed import ImageNetLT
from reproduction.training.describe import describe

SYNSETS = ("n01440764", "n01443537", "n01484850")


def draw(path, label):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (9, 7), (100 * label, 10, 20)).save(path)


def is_right(side):
    assert (side.images[:, 0, 3, 3].float() / 100).round().long().tolist() == side.labels.tolist()


@pytest.fixture
def frame(tmp_path):
    return Squash(8, tmp_path / "cache")


@pytest.fixture
def imagenet(tmp_path):
    """Five, two and one image of three classes; one of each to validate and two to test."""
    root = tmp_path / "imagenet"
    lists = {"train": [0, 0, 2, 0, 0, 1, 1, 0], "val": [2, 1, 0], "test": [0, 1, 2, 0, 1, 2]}
    for side, labels in lists.items():
        lines = []
        for i, label in enumerate(labels):
            path = f"{'val' if side == 'test' else 'train'}/{SYNSETS[label]}/{side}_{i}.JPEG"
            draw(root / path, label)
            lines.append(f"{path} {label}\n")
        (root / f"ImageNet_LT_{side}.txt").write_text("".join(lines))
    return root


def test_imagenet_lt_is_as_its_lists_say(imagenet, frame, tmp_path):
    task = ImageNetLT(imagenet).task(frame, 0)
    assert task.classes == SYNSETS
    assert task.class_counts() == (5, 2, 1)
    assert task.name == "ImageNet_LT, 8 images"
    assert task.validation.labels.tolist() == [2, 1, 0]
    assert task.test().labels.tolist() == [0, 1, 2, 0, 1, 2]
    test = task.test()
    for side in (task.train, task.validation, test):
        is_right(side)
    assert task.train.groups[2] == "train/n01484850/train_2.JPEG"
    elsewhere = tmp_path / "lists"
    elsewhere.mkdir()
    for side in ("train", "test"):
        (imagenet / f"ImageNet_LT_{side}.txt").rename(elsewhere / f"Other_{side}.txt")
    other = ImageNetLT(imagenet, elsewhere, "Other", validation=False).task(frame, 0)
    assert other.validation is None
    assert torch.equal(other.train.images, task.train.images)
    assert torch.equal(other.test().images, test.images)


def test_where_they_lie_is_not_what_they_are(tmp_path):
    assert describe(ImageNetLT(tmp_path, tmp_path)) == describe(ImageNetLT())
    assert describe(ImageNetLT(prefix="Other")) != describe(ImageNetLT())
    assert describe(INaturalist2018(tmp_path)) == describe(INaturalist2018())


EACH = "expected a path and a label on each line"
ONCE = "expected each image on one side and once"
TRAIN = "train/n01440764/train_0.JPEG 0\n"


@pytest.mark.parametrize(
    ("side", "text", "message"),
    [
        ("train", "a.jpg 0\nb.jpg one\n\nc\n", f"_train.txt: {EACH}, got 2 others: line 2: 'b.jpg one', line 4: 'c'"),
        ("train", "\n", f"_train.txt: {EACH}, got none"),
        ("train", "".join(f"x{i}\n" for i in range(7)), "got 7 others: line 1: 'x0', .*line 5: 'x4', ..."),
        ("train", "a 0\nb 1\na 1\n", f"_train.txt: {ONCE}, got 1 again: a"),
        ("val", TRAIN, f"_val.txt: {ONCE}, got 1 again: train/n01440764/train_0.JPEG"),
        ("val", "new.JPEG 3\n", "_val.txt: expected labels below 3, got 3"),
        ("train", TRAIN + "train/n01484850/train_2.JPEG 2\n", "train: expected images of every class"),
    ],
)
def test_what_is_wrong_in_a_list_is_named(imagenet, frame, side, text, message):
    (imagenet / f"ImageNet_LT_{side}.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        ImageNetLT(imagenet, validation=side == "val").task(frame, 0)


def test_an_image_to_validate_with_is_none_to_test_on(imagenet, frame):
    (imagenet / "ImageNet_LT_test.txt").write_text(
        "".join(f"train/{SYNSETS[c]}/val_{2 - c}.JPEG {c}\n" for c in (0, 2))
    )
    with pytest.raises(ValueError, match=f"_test.txt: {ONCE}, got 2 again: train/n01440764/val_2.JPEG"):
        ImageNetLT(imagenet).task(frame, 0).test()


def test_missing_lists_and_images_are_named(imagenet, frame):
    (imagenet / "val" / SYNSETS[0] / "test_0.JPEG").unlink()
    task = ImageNetLT(imagenet).task(frame, 0)
    with pytest.raises(FileNotFoundError, match="test_0.JPEG"):
        task.test()
    (imagenet / "ImageNet_LT_train.txt").unlink()
    with pytest.raises(FileNotFoundError, match="ImageNet_LT_train.txt: not found; expected a list"):
        ImageNetLT(imagenet).task(frame, 0)


@pytest.fixture
def challenge(tmp_path):
    """Three species with numbers that have a gap; annotations in another order than images."""
    root, categories = tmp_path / "inat", [7, 2, 9]
    for side, labels in {"train": [0, 2, 0, 1, 0], "val": [1, 0, 2]}.items():
        images, annotations = [], []
        for i, label in enumerate(labels):
            name = f"train_val2018/Plants/{categories[label]}/{side}{i}.jpg"
            draw(root / name, [1, 0, 2][label])
            images.append({"id": 100 + i, "file_name": name, "license": 3})
            annotations.insert(0, {"id": i, "image_id": 100 + i, "category_id": categories[label]})
        species = [{"id": number, "name": f"species {number}", "supercategory": "Plants"} for number in categories]
        (root / f"{side}2018.json").write_text(
            json.dumps({"info": {}, "images": images, "annotations": annotations, "categories": species})
        )
    return root


def test_inaturalist_is_as_the_challenge_s_files_say(challenge, frame):
    task = INaturalist2018(challenge).task(frame, 0)
    assert task.classes == ("species 2", "species 7", "species 9")
    assert task.class_counts() == (1, 3, 1)
    assert task.validation is None
    assert task.train.labels.tolist() == [1, 2, 1, 0, 1]
    assert task.test().labels.tolist() == [0, 1, 2]
    is_right(task.train)
    is_right(task.test())


def change(file, edit):
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def without_names(content):
    for own in content["categories"]:
        del own["name"]


def test_species_without_a_name_have_their_number(challenge, frame):
    change(challenge / "train2018.json", without_names)
    assert INaturalist2018(challenge).task(frame, 0).classes == ("2", "7", "9")


STOLEN = "train_val2018/Plants/7/train0.jpg"
ONE = "expected one annotation of each image, got 1 others: .*train4.jpg"
WRONG = [
    ("train", lambda c: c.pop("annotations"), "train2018.json: expected a list 'annotations', got none"),
    ("train", lambda c: c["images"][1].pop("file_name"), "expected id and file_name in images, got 1 without: .*101"),
    ("train", lambda c: c["annotations"].pop(0), ONE),
    ("train", lambda c: c["annotations"].append(c["annotations"][0]), ONE),
    ("train", lambda c: c["annotations"][0].update(category_id=5), "expected species .* lists, got 1 others: 5"),
    (
        "val",
        lambda c: c["categories"].append({"id": 11}),
        "val2018.json: expected the 3 species of .*, got others",
    ),
    ("val", lambda c: c["images"][0].update(file_name=STOLEN), f"val2018.json: {ONCE}, got 1 again: {STOLEN}"),
]


@pytest.mark.parametrize(("side", "edit", "message"), WRONG)
def test_what_is_wrong_in_the_json_is_named(challenge, frame, side, edit, message):
    change(challenge / f"{side}2018.json", edit)
    with pytest.raises(ValueError, match=message):
        INaturalist2018(challenge).task(frame, 0).test()


def test_no_json_and_no_file_are_named(challenge, frame):
    file = challenge / "train2018.json"
    file.write_text("{")
    with pytest.raises(ValueError, match=rf"{re.escape(str(file))}: expected JSON, got Expecting"):
        INaturalist2018(challenge).task(frame, 0)
    file.unlink()
    with pytest.raises(FileNotFoundError, match="train2018.json: not found; expected a JSON file of the iNaturalist"):
        INaturalist2018(challenge).task(frame, 0)
