"""ISIC 2018 Task 3 (HAM10000) as the challenge hands it out: images, labels, lesion groups, lesion masks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from longtail_mix.data._challenge_folder import first, refuse, resolve_root
from longtail_mix.data._table import read_rows

__all__ = ["CLASSES", "Isic2018", "isic2018_masks", "read_isic2018", "read_isic2018_test"]

CLASSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
"""The classes in the order of the challenge's label file; a label is a position in this tuple."""

_IMAGES = "ISIC2018_Task3_Training_Input"
_LABELS = "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv"
_LESIONS = "ISIC2018_Task3_Training_LesionGroupings.csv"
_MASKS = "HAM10000_segmentations_lesion_tschandl"
_TEST_IMAGES = "ISIC2018_Task3_Test_Input"
_TEST_LABELS = "ISIC2018_Task3_Test_GroundTruth/ISIC2018_Task3_Test_GroundTruth.csv"


@dataclass(frozen=True, eq=False)
class Isic2018:
    """The training images of ISIC 2018 Task 3, one row an image, rows ordered by name.

    Attributes:
        root: the folder that was read.
        names: the images' ids, such as ``ISIC_0024306``.
        paths: their JPEG files; nothing has been decoded yet.
        labels: positions in `CLASSES`, int64 [N].
        lesions: the id of the lesion each image shows; several images may show one lesion.
    """

    root: Path
    names: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: Tensor
    lesions: tuple[str, ...]

    def class_counts(self) -> tuple[int, ...]:
        """Images per class, in the order of `CLASSES`."""
        return tuple(torch.bincount(self.labels, minlength=len(CLASSES)).tolist())


def read_isic2018(root: str | Path | None = None) -> Isic2018:
    """Join the images, labels and lesion groups of ISIC 2018 Task 3, without decoding an image.

    The layout is the challenge's own. Under `root` lie ``ISIC2018_Task3_Training_Input/*.jpg``,
    ``ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv`` and
    ``ISIC2018_Task3_Training_LesionGroupings.csv``. Images and labels have to match one to one; the file of
    lesion groups may name more images than there are. The data are CC BY-NC 4.0: cite Tschandl, Rosendahl
    and Kittler, Scientific Data 2018.

    Args:
        root: the folder; None takes it from the environment variable ``ISIC2018_ROOT``.

    Raises:
        FileNotFoundError: the folder, or a part of it, is missing.
        ValueError: `root` is None and ``ISIC2018_ROOT`` is unset; or a file lacks a column, has a ragged,
            duplicate or not one-hot row, or does not match the folder.

    Example:
        >>> import os
        >>> if "ISIC2018_ROOT" in os.environ:
        ...     data = read_isic2018()
        ...     assert data.class_counts() == (1113, 6705, 514, 327, 1099, 115, 142)
    """
    root = _existing(resolve_root(root, "ISIC2018_ROOT"))
    lesions_file = root / _LESIONS
    groups = _read_table(lesions_file, ("lesion_id",))
    paths, labels = _labelled(root, _IMAGES, _LABELS)
    refuse(lesions_file, "images have no lesion group", [n for n in paths if not groups.get(n, ("",))[0]])
    return Isic2018(
        root=root,
        names=tuple(paths),
        paths=tuple(paths.values()),
        labels=labels,
        lesions=tuple(groups[name][0] for name in paths),
    )


def read_isic2018_test(root: str | Path | None = None) -> Isic2018:
    """Join the images and labels of the challenge's own test part, 1,512 images, without decoding one.

    Under `root` lie ``ISIC2018_Task3_Test_Input/*.jpg`` and
    ``ISIC2018_Task3_Test_GroundTruth/ISIC2018_Task3_Test_GroundTruth.csv``. The challenge names no lesions for it:
    each image counts as a lesion of its own.

    Args:
        root: the folder; None takes it from the environment variable ``ISIC2018_TEST_ROOT`` or, where that is unset,
            ``ISIC2018_ROOT``.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_isic2018`.

    Example:
        >>> import os
        >>> if "ISIC2018_TEST_ROOT" in os.environ:
        ...     assert len(read_isic2018_test().names) == 1512
    """
    variable = "ISIC2018_TEST_ROOT" if os.environ.get("ISIC2018_TEST_ROOT") else "ISIC2018_ROOT"
    root = _existing(resolve_root(root, variable))
    paths, labels = _labelled(root, _TEST_IMAGES, _TEST_LABELS)
    return Isic2018(root, tuple(paths), tuple(paths.values()), labels, tuple(paths))


def _labelled(root: Path, images: str, table: str) -> tuple[dict[str, Path], Tensor]:
    """The images of a folder by name, ordered, and their labels, which match one to one."""
    labels_file = root / table
    rows = _read_table(labels_file, CLASSES)
    paths = {path.stem: path for path in sorted(_existing(root / images).glob("*.jpg"), key=lambda path: path.stem)}
    if not paths:
        raise FileNotFoundError(f"{root / images}: expected *.jpg images, found none")
    refuse(labels_file, "labelled images are not in the folder", [n for n in rows if n not in paths])
    refuse(labels_file, "images in the folder have no label", [n for n in paths if n not in rows])
    labels = {name: _one_hot_position(row) for name, row in rows.items()}
    refuse(labels_file, "rows are not one-hot", [n for n, label in labels.items() if label is None])
    return paths, torch.tensor([labels[name] for name in paths], dtype=torch.int64)


def isic2018_masks(dataset: Isic2018) -> tuple[Path, ...]:
    """The lesion masks of `dataset`, one PNG an image, in the order of its rows.

    They lie under ``HAM10000_segmentations_lesion_tschandl/<name>_segmentation.png`` in the same root, and are
    a download of their own (Tschandl et al., Genome Research 2020).

    Raises:
        FileNotFoundError: the folder, or the mask of some image, is missing.

    Example:
        >>> import os
        >>> if "ISIC2018_ROOT" in os.environ:
        ...     masks = isic2018_masks(read_isic2018())
        ...     assert masks[0].name == "ISIC_0024306_segmentation.png"
    """
    folder = _existing(dataset.root / _MASKS)
    present = {path.name for path in folder.glob("*.png")}
    files = [f"{name}_segmentation.png" for name in dataset.names]
    missing = [file for file in files if file not in present]
    if missing:
        raise FileNotFoundError(f"{folder}: {len(missing)} masks are missing, {first(missing)}")
    return tuple(folder / file for file in files)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"{path}: not found; expected the layout of ISIC 2018 Task 3")
    return path


def _read_table(file: Path, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The cells of `columns` in each row, by the image's name."""
    table: dict[str, tuple[str, ...]] = {}
    duplicates = []
    for image, *cells in read_rows(_existing(file), ("image", *columns)):
        if image in table:
            duplicates.append(image)
        table[image] = tuple(cells)
    refuse(file, "rows are duplicates", duplicates)
    return table


def _one_hot_position(row: Sequence[str]) -> int | None:
    """Where the 1 stands, or None when the cells are not a single 1 among zeros."""
    try:
        cells = [float(cell) for cell in row]
    except ValueError:
        return None
    return cells.index(1.0) if sorted(cells) == [0.0] * (len(cells) - 1) + [1.0] else None
