"""The splits: no lesion on two sides, and the challenge's own test in its own layout, read last."""

import csv
from pathlib import Path

import pytest
import torch
from PIL import Image

from longtail_mix.data import CLASSES
from reproduction.data.frames import CentreCrop, Squash
from reproduction.data.isic2018 import ISIC2018, Balanced, CrossValidation, Official, Stratified

PER_CLASS = (9, 14, 8, 8, 8, 8, 8)  # lesions; every third has two images


def write(file: Path, rows: list[list[str]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as text:
        csv.writer(text).writerows(rows)


def one_hot(name: str, label: int) -> list[str]:
    return [name, *("1.0" if c == label else "0.0" for c in range(len(CLASSES)))]


def save_image(file: Path, colour: tuple[int, int, int], size: tuple[int, int] = (24, 18)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(file)


def write_test(root: Path, labels: list[int]) -> None:
    """The challenge's test part, one image a row; red says the class."""
    names = [f"ISIC_9{row:03}" for row in range(len(labels))]
    table = "ISIC2018_Task3_Test_GroundTruth/ISIC2018_Task3_Test_GroundTruth.csv"
    rows = [one_hot(name, label) for name, label in zip(names, labels, strict=True)]
    write(root / table, [["image", *CLASSES], *rows])
    for name, label in zip(names, labels, strict=True):
        save_image(root / "ISIC2018_Task3_Test_Input" / f"{name}.jpg", (30 * label, 0, 0))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up files in the challenge's layout, no test part."""
    folder = tmp_path_factory.mktemp("isic2018")
    labels, lesions = [], []
    for label, count in enumerate(PER_CLASS):
        for lesion in range(count):
            for _ in range(2 if lesion % 3 == 0 else 1):
                labels.append(label)
                lesions.append(f"HAM_{label}_{lesion}")
    names = [f"ISIC_{row:04}" for row in range(len(labels))]
    table = "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv"
    write(folder / table, [["image", *CLASSES], *map(one_hot, names, labels)])
    pairs = [list(pair) for pair in zip(names, lesions, strict=True)]
    write(folder / "ISIC2018_Task3_Training_LesionGroupings.csv", [["image", "lesion_id"], *pairs])
    for name, label in zip(names, labels, strict=True):
        save_image(folder / "ISIC2018_Task3_Training_Input" / f"{name}.jpg", (30 * label, 200, 0))
        mask = Image.new("L", (24, 18))
        mask.paste(255, (8, 6, 16, 12))
        path = folder / "HAM10000_segmentations_lesion_tschandl" / f"{name}_segmentation.png"
        path.parent.mkdir(exist_ok=True)
        mask.save(path)
    return folder


@pytest.fixture
def frame(tmp_path: Path) -> Squash:
    return Squash(8, tmp_path / "cache")


SPLITS = [
    Balanced(val_per_class=1, test_per_class=2),
    Stratified(0.2),
    Stratified(0.2, val_fraction=0.2),
    CrossValidation(4),
    CrossValidation(4, develop=True),
]


@pytest.mark.parametrize("split", SPLITS, ids=str)
def test_no_lesion_is_on_two_sides(root, frame, split):
    task = ISIC2018(split, root).task(frame, seed=0)
    sides = [task.train] + ([] if task.validation is None else [task.validation])
    if not (isinstance(split, CrossValidation) and split.develop):
        sides.append(task.test())
    lesions = [set(side.groups) for side in sides]
    assert sum(map(len, lesions)) == len(set.union(*lesions)) == sum(PER_CLASS)
    for side in sides:
        assert (side.images[:, 0, 0, 0].float() / 30).round().tolist() == side.labels.tolist()  # in register


def test_choosing_by_cross_validation_has_no_test(root, frame):
    task = ISIC2018(CrossValidation(4, develop=True), root).task(frame, seed=0)
    with pytest.raises(ValueError, match="test: expected images of every class"):
        task.test()


def test_the_seeds_test_every_image_outside_of_the_first_fold_once(root, frame):
    source = ISIC2018(CrossValidation(4), root)
    develop = ISIC2018(CrossValidation(4, develop=True), root).task(frame, 0).validation
    tests = [source.task(frame, seed).test().groups for seed in range(3)]
    everything = [group for groups in tests for group in groups] + list(develop.groups)
    assert len(everything) == len(source.task(frame, 0).train) + len(tests[0])
    lesions = [set(groups) for groups in [*tests, develop.groups]]
    assert sum(map(len, lesions)) == len(set.union(*lesions)) == sum(PER_CLASS)
    assert source.task(frame, 3).test().groups == tests[0]


def test_the_official_test_is_read_last_and_from_its_own_folder(root, frame, tmp_path, monkeypatch):
    monkeypatch.delenv("ISIC2018_TEST_ROOT", raising=False)
    source = ISIC2018(Official(0.2), root, tmp_path / "test")
    task = source.task(frame, seed=0)  # there is no test part yet: nobody looked for it
    assert task.validation is not None
    assert not set(task.train.groups) & set(task.validation.groups)
    assert len({*task.train.groups, *task.validation.groups}) == sum(PER_CLASS)
    with pytest.raises(FileNotFoundError, match="expected the layout of ISIC 2018 Task 3"):
        task.test()
    labels = [6, 5, 4, 3, 2, 1, 0, 1, 1]
    write_test(tmp_path / "test", labels)
    test = task.test()
    assert test.labels.tolist() == labels
    assert (test.images[:, 0, 0, 0].float() / 30).round().tolist() == labels
    assert len(set(test.groups)) == 9  # each counts as a lesion of its own
    monkeypatch.setenv("ISIC2018_ROOT", str(root))
    monkeypatch.setenv("ISIC2018_TEST_ROOT", str(tmp_path / "test"))
    assert ISIC2018(Official(0.2)).task(frame, 0).test().labels.tolist() == labels


def test_an_official_test_without_a_class_or_a_label_is_refused(root, frame, tmp_path):
    write_test(tmp_path, [0, 1, 2, 3, 4, 5])
    task = ISIC2018(Official(0.2), root, tmp_path).task(frame, 0)
    with pytest.raises(ValueError, match=r"test: expected images of every class .*\[1, 1, 1, 1, 1, 1, 0\]"):
        task.test()
    (tmp_path / "ISIC2018_Task3_Test_Input" / "ISIC_9000.jpg").unlink()
    with pytest.raises(ValueError, match=r"Test_GroundTruth.csv: 1 labelled images are not in the folder, .*ISIC_9000"):
        task.test()


def test_masks_come_along_where_they_are_asked_for(root, frame, tmp_path):
    whole = ISIC2018(Stratified(0.2), root, with_masks=True).task(frame, 0).train.masks
    assert whole.shape[1:] == (1, 8, 8)
    assert whole[0, 0, 4, 4]
    assert not whole[0, 0, 0, 0]
    middle = ISIC2018(Stratified(0.2), root, with_masks=True).task(CentreCrop(9, tmp_path / "cache"), 0).train.masks
    assert middle.float().mean() > whole.float().mean()  # the sides were cut off
    assert ISIC2018(Stratified(0.2), root).task(frame, 0).train.masks is None


def test_a_root_that_is_not_there_is_named(frame, tmp_path):
    with pytest.raises(FileNotFoundError, match="none: not found; expected the layout of ISIC 2018 Task 3"):
        ISIC2018(Balanced(), tmp_path / "none").task(frame, 0)


@pytest.mark.parametrize(
    ("split", "train", "validation", "test"),
    [
        (Balanced(46, 40), None, [46] * 7, [40] * 7),
        (Stratified(0.2), 8012, None, 2003),
        (Official(0.15), None, None, None),
    ],
    ids=["balanced", "stratified", "official"],
)
def test_real_images(isic2018_root, tmp_path, split, train, validation, test):
    """The counts of the papers; the official split without its test, which is not among the images here."""
    task = ISIC2018(split, isic2018_root).task(Squash(16, tmp_path), 0)
    sides = [task.train] if task.validation is None else [task.train, task.validation]
    if not isinstance(split, Official):
        sides.append(task.test())
        assert sum(map(len, sides)) <= 10015
        assert sides[-1].labels.bincount().tolist() == test if isinstance(test, list) else len(sides[-1]) == test
    else:
        assert sum(map(len, sides)) == 10015
        shares = [side.labels.bincount() / torch.tensor(task.class_counts()) for side in sides[1:]]
        assert all(((share - 0.15 / 0.85).abs() < 0.03).all() for share in shares)
    if train is not None:
        assert sum(task.class_counts()) == train
    if validation is not None:
        assert task.validation.labels.bincount().tolist() == validation
    lesions = [set(side.groups) for side in sides]
    assert sum(map(len, lesions)) == len(set.union(*lesions))
