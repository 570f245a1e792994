import csv
import shutil
from pathlib import Path

import pytest
import torch

from longtail_mix.data import CLASSES, isic2018_masks, read_isic2018

IMAGES = "ISIC2018_Task3_Training_Input"
LABELS = "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv"
LESIONS = "ISIC2018_Task3_Training_LesionGroupings.csv"
MASKS = "HAM10000_segmentations_lesion_tschandl"

# (name, class, lesion), on purpose not in the order of the names.
ROWS = [("ISIC_3", "VASC", "HAM_b"), ("ISIC_1", "NV", "HAM_a"), ("ISIC_2", "NV", "HAM_a"), ("ISIC_4", "MEL", "HAM_c")]


def label_row(name: str, label: str) -> list[str]:
    return [name, *("1.0" if c == label else "0.0" for c in CLASSES)]


def write(file: Path, rows: list[list[str]], encoding: str = "utf-8") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding=encoding) as text:
        csv.writer(text).writerows(rows)


@pytest.fixture
def labels() -> list[list[str]]:
    return [["image", *CLASSES], *(label_row(name, label) for name, label, _ in ROWS)]


@pytest.fixture
def root(tmp_path: Path, labels: list[list[str]]) -> Path:
    write(tmp_path / LABELS, labels)
    groups = [[name, lesion, "histopathology"] for name, _, lesion in ROWS]
    write(tmp_path / LESIONS, [["image", "lesion_id", "diagnosis_confirm_type"], *groups])
    for folder, pattern in ((IMAGES, "{}.jpg"), (MASKS, "{}_segmentation.png")):
        (tmp_path / folder).mkdir()
        for name, _, _ in ROWS:
            # Not images at all: reading the layout must not decode anything.
            (tmp_path / folder / pattern.format(name)).touch()
    (tmp_path / IMAGES / "LICENSE.txt").touch()
    return tmp_path


def test_joins_images_labels_and_lesions_by_name(root: Path) -> None:
    data = read_isic2018(root)
    assert data.root == root
    assert data.names == ("ISIC_1", "ISIC_2", "ISIC_3", "ISIC_4")
    assert data.paths == tuple(root / IMAGES / f"{name}.jpg" for name in data.names)
    assert data.labels.dtype == torch.int64
    assert data.labels.tolist() == [1, 1, 6, 0]
    assert data.lesions == ("HAM_a", "HAM_a", "HAM_b", "HAM_c")
    assert data.class_counts() == (1, 2, 0, 0, 0, 0, 1)


def test_masks_in_the_order_of_the_rows(root: Path) -> None:
    data = read_isic2018(str(root))
    assert isic2018_masks(data) == tuple(root / MASKS / f"{name}_segmentation.png" for name in data.names)


def test_root_from_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISIC2018_ROOT", str(root))
    assert read_isic2018().root == root
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("ISIC2018_ROOT")
        else:
            monkeypatch.setenv("ISIC2018_ROOT", unset)
        with pytest.raises(ValueError, match=r"expected a folder, got None .* ISIC2018_ROOT is unset"):
            read_isic2018()


def test_column_order_extra_columns_empty_lines_and_byte_order_mark(root: Path) -> None:
    header = ["VASC", "note", "image", "NV", "MEL", "BCC", "AKIEC", "BKL", "DF"]
    rows = []
    for name, label, _ in ROWS:
        cells = {"image": name, "note": "x", label: "1"}
        rows.append([cells.get(column, "0") for column in header])
    write(root / LABELS, [header, [], *rows], encoding="utf-8-sig")
    assert read_isic2018(root).labels.tolist() == [1, 1, 6, 0]


def test_groups_may_name_more_images(root: Path) -> None:
    with (root / LESIONS).open("a") as text:
        text.write("ISIC_9,HAM_z,histopathology\n")
    assert len(read_isic2018(root).names) == 4


@pytest.mark.parametrize("part", [".", IMAGES, LABELS, LESIONS])
def test_missing_parts_are_named(root: Path, part: str) -> None:
    path = root / part
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        read_isic2018(root)
    assert str(path) in str(caught.value)


def test_folder_without_images(root: Path) -> None:
    for image in (root / IMAGES).glob("*.jpg"):
        image.unlink()
    with pytest.raises(FileNotFoundError, match=rf"{IMAGES}: expected \*.jpg images, found none"):
        read_isic2018(root)


def test_missing_masks(root: Path) -> None:
    data = read_isic2018(root)
    (root / MASKS / "ISIC_3_segmentation.png").unlink()
    with pytest.raises(FileNotFoundError, match=rf"{MASKS}: 1 masks are missing, .*: ISIC_3_segmentation.png"):
        isic2018_masks(data)
    shutil.rmtree(root / MASKS)
    with pytest.raises(FileNotFoundError, match=rf"{MASKS}: not found"):
        isic2018_masks(data)


def refuses(root: Path, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_isic2018(root)


def test_labels_without_a_image_give_the_count_and_the_first_five(root: Path, labels: list[list[str]]) -> None:
    write(root / LABELS, [*labels, *(label_row(f"LOST_{i}", "DF") for i in range(7, 0, -1))])
    refuses(root, r"GroundTruth.csv: 7 labelled .* not in the folder, the first: (LOST_\d, ){4}LOST_5$")


def test_images_without_a_label(root: Path) -> None:
    (root / IMAGES / "ISIC_0.jpg").touch()
    refuses(root, "GroundTruth.csv: 1 images in the folder have no label, the first: ISIC_0$")


def test_images_without_a_lesion_group(root: Path) -> None:
    write(root / LESIONS, [["image", "lesion_id"], ["ISIC_1", "HAM_a"], ["ISIC_2", ""]])
    refuses(root, "LesionGroupings.csv: 3 images have no lesion group, the first: ISIC_2, ISIC_3, ISIC_4$")


@pytest.mark.parametrize(
    "cells",
    [
        ["0", "0", "0", "0", "0", "0", "0"],
        ["1", "1", "0", "0", "0", "0", "0"],
        ["0.5", "0.5", "0", "0", "0", "0", "0"],
        ["1", "0", "0", "-1", "0", "1", "0"],
        ["1", "0", "0", "0", "0", "0", "nan"],
        ["1", "0", "0", "0", "0", "0", "no"],
        ["1", "0", "0", "0", "0", "0", ""],
    ],
)
def test_rows_that_are_not_one_hot(root: Path, labels: list[list[str]], cells: list[str]) -> None:
    labels[2][1:] = cells
    write(root / LABELS, labels)
    refuses(root, "GroundTruth.csv: 1 rows are not one-hot, the first: ISIC_1$")


def test_duplicate_rows(root: Path, labels: list[list[str]]) -> None:
    write(root / LABELS, [*labels, labels[1]])
    refuses(root, "GroundTruth.csv: 1 rows are duplicates, the first: ISIC_3$")


def test_ragged_rows(root: Path, labels: list[list[str]]) -> None:
    labels[2].append("0.0")
    labels[4].pop()
    write(root / LABELS, labels)
    refuses(root, "GroundTruth.csv: 2 rows do not have a cell for each column, the first: ISIC_1, ISIC_4$")


@pytest.mark.parametrize("missing", ["image", "BKL"])
def test_missing_columns(root: Path, labels: list[list[str]], missing: str) -> None:
    at = labels[0].index(missing)
    write(root / LABELS, [row[:at] + row[at + 1 :] for row in labels])
    refuses(root, rf"GroundTruth.csv: expected columns .*, \['{missing}'\] missing in")


def test_files_that_are_no_tables(root: Path) -> None:
    (root / LESIONS).write_bytes(b"")
    refuses(root, r"LesionGroupings.csv: expected columns .* missing in \[\]")
    (root / LESIONS).write_bytes(b"image,lesion_id\n\xff\xfe,a\n")
    refuses(root, "LesionGroupings.csv: expected a UTF-8 table")
    (root / LESIONS).write_text('image,lesion_id\n"' + "x" * (csv.field_size_limit() + 1) + '",a\n')
    refuses(root, "LesionGroupings.csv: expected a UTF-8 table")


def test_real_data(isic2018_root: Path) -> None:
    data = read_isic2018(isic2018_root)
    assert len(data.names) == len(isic2018_masks(data)) == 10015
    assert data.class_counts() == (1113, 6705, 514, 327, 1099, 115, 142)
    assert len(set(data.lesions)) == 7470
    assert (data.names[0], CLASSES[data.labels[0]], data.lesions[0]) == ("ISIC_0024306", "NV", "HAM_0000550")
