"""What DATA may be: a folder for each class, a CSV file, or the folder of ISIC 2018 Task 3."""

from __future__ import annotations

from pathlib import Path

from longtail_mix.data import CLASSES, ImageTable, read_folder, read_isic2018, read_table

_TRAIN = ("train", "training")


def open_source(
    data: Path,
    image: str = "image",
    label: str = "label",
    group: str | None = None,
    side: str | None = None,
    root: Path | None = None,
    suffix: str = "",
) -> ImageTable:
    """Read `data` with the reader for its kind; the other arguments are those of ``read_table``."""
    if data.is_file():
        # Leaks are shown on the page, beside everything else that is wrong.
        return read_table(data, image, label, group, side, root, suffix, allow_leaks=True)
    if (data / "ISIC2018_Task3_Training_Input").is_dir():
        isic = read_isic2018(data)
        return ImageTable(isic.names, isic.paths, isic.labels, CLASSES, isic.lesions)
    return read_folder(data)


def training_rows(data: ImageTable) -> list[int]:
    """The rows of the training side; all rows where no side is called so."""
    sides = data.sides or ()
    rows = [row for row, side in enumerate(sides) if side.lower() in _TRAIN]
    return rows or list(range(len(data.names)))
