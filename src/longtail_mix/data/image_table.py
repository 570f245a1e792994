"""Labelled images on disk: a folder for each class, or a CSV file with a row for each image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from longtail_mix.data._challenge_folder import as_path, first, refuse
from longtail_mix.data._table import read_rows

__all__ = ["IMAGE_SUFFIXES", "ImageTable", "groups_on_several_sides", "read_folder", "read_table"]

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""What ends the name of an image, in small or capital letters."""

_SIDES = ("train", "training", "val", "valid", "validation", "test", "testing")


@dataclass(frozen=True, eq=False)
class ImageTable:
    """N labelled images on disk, none of them decoded yet.

    Attributes:
        names: what the folder or the table calls each image; each name once.
        paths: their files.
        labels: positions in `classes`, int64 [N].
        classes: names of the K classes.
        groups: what must stay on one side of a split, such as the lesion or the patient; where nothing is known
            of groups, each image is one.
        sides: the side of a split each image lies on, such as ``train``; None where none is given.
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: Tensor
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    sides: tuple[str, ...] | None = None

    def class_counts(self) -> tuple[int, ...]:
        """Images per class, in the order of `classes`."""
        return tuple(torch.bincount(self.labels, minlength=len(self.classes)).tolist())

    def rows(self, side: str) -> Tensor:
        """Row indices of one side, int64, ascending.

        Raises:
            ValueError: there are no sides, or none of that name.
        """
        sides = () if self.sides is None else self.sides
        rows = [row for row, name in enumerate(sides) if name == side]
        if not rows:
            raise ValueError(f"side: expected one of {sorted(set(sides))}, got {side!r}")
        return torch.tensor(rows, dtype=torch.int64)


def read_folder(root: str | Path, classes: Sequence[str] | None = None) -> ImageTable:
    """The images under `root`, a folder for each class: ``root/<class>/.../<image>``.

    Where all folders in `root` are named train, val, valid, validation, test, training or testing, they are sides of
    a split, and the classes lie one step deeper: ``root/train/<class>/.../<image>``. Hidden files, and files whose
    name does not end like an image's (`IMAGE_SUFFIXES`), are passed over.

    Args:
        root: the folder.
        classes: the names of the classes in the order of the labels. Default: the names found, sorted (as numbers,
            if all are).

    Returns:
        Rows ordered by name, which is the path below `root`.

    Raises:
        FileNotFoundError: no such folder, or no folder in it.
        ValueError: images outside the class folders, class folders without an image, folders that `classes` does
            not name.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     for name in ("mole", "scar"):
        ...         (Path(root) / name).mkdir()
        ...         (Path(root) / name / "1.png").touch()
        ...     data = read_folder(root)
        >>> data.classes, data.names, data.labels.tolist()
        (('mole', 'scar'), ('mole/1.png', 'scar/1.png'), [0, 1])
    """
    root = as_path(root, "root")
    top = _folders(root)
    split = all(folder.name.lower() in _SIDES for folder in top)
    strays = list(_images_in(root))
    found: list[tuple[str, Path, str, str]] = []
    empty = []
    for side in top if split else [root]:
        strays += _images_in(side) if split else []
        for folder in _folders(side):
            images = [path for path in sorted(folder.rglob("*")) if _is_image(path, root)]
            found += [(path.relative_to(root).as_posix(), path, folder.name, side.name) for path in images]
            empty += [] if images else [folder.relative_to(root).as_posix()]
    refuse(root, "images lie in no class folder", [path.relative_to(root).as_posix() for path in strays])
    refuse(root, "class folders have no image", empty)
    found.sort()
    names, paths, labels, sides = zip(*found, strict=True)
    order = _class_order(root, labels, classes)
    return ImageTable(
        names=names,
        paths=paths,
        labels=torch.tensor([order.index(label) for label in labels], dtype=torch.int64),
        classes=order,
        groups=names,
        sides=sides if split else None,
    )


def read_table(
    file: str | Path,
    image: str = "image",
    label: str = "label",
    group: str | None = None,
    side: str | None = None,
    root: str | Path | None = None,
    suffix: str = "",
    classes: Sequence[str] | None = None,
    allow_leaks: bool = False,
) -> ImageTable:
    """The images that a CSV file lists, with a header and a row for each image.

    Args:
        file: the table, UTF-8 with commas.
        image: the column with each image's file, relative to `root`.
        label: the column with its class, a name or a number.
        group: the column with what must stay on one side of a split (lesion, patient), or None.
        side: the column with the side of a split, such as train and test, or None.
        root: the folder the files lie under. Default: the one the table lies in.
        suffix: what to put behind each name, such as ``.jpg`` where the table has bare ids.
        classes: the names of the classes in the order of the labels; give the same to every table of a data set.
            Default: the names found, sorted (as numbers, if all are).
        allow_leaks: whether a group may lie on several sides.

    Returns:
        Rows in the order of the table.

    Raises:
        FileNotFoundError: the table or some of the images are missing; the message has the table, their number
            and the first five.
        ValueError: no UTF-8, no rows, unknown columns, ragged rows, empty cells, an image listed twice, a class that
            `classes` does not name, a group on several sides; likewise with the number and the first five.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     (Path(root) / "a.png").touch()
        ...     table = Path(root) / "table.csv"
        ...     _ = table.write_text("file,diagnosis,patient\\na.png,scar,p7\\n")
        ...     data = read_table(table, image="file", label="diagnosis", group="patient")
        >>> data.classes, data.labels.tolist(), data.groups
        (('scar',), [0], ('p7',))
    """
    file = as_path(file, "file")
    for name, text in (("image", image), ("label", label), ("suffix", suffix)):
        if not isinstance(text, str):
            raise TypeError(f"{name}: expected text, got {text!r:.80}")
    for name, column in (("group", group), ("side", side)):
        if column is not None and not isinstance(column, str):
            raise TypeError(f"{name}: expected the name of a column or None, got {column!r:.80}")
    if not file.is_file():
        raise FileNotFoundError(f"{file}: expected a CSV file, found none")
    columns = [image, label, *(column for column in (group, side) if column is not None)]
    cells = read_rows(file, columns)
    if not cells:
        raise ValueError(f"{file}: expected one or more rows under the header, got none")
    refuse(file, "rows have an empty cell", [row[0] or "(no name)" for row in cells if not all(row)])
    by_column = dict(zip(columns, zip(*cells, strict=True), strict=True))
    names = by_column[image]
    refuse(file, "images are listed twice", [name for name, times in Counter(names).items() if times > 1])
    folder = file.parent if root is None else as_path(root, "root")
    paths = tuple(folder / f"{name}{suffix}" for name in names)
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(f"{file}: {len(missing)} of {len(paths)} images are missing, {first(missing)}")
    groups = names if group is None else by_column[group]
    sides = None if side is None else by_column[side]
    if sides is not None and not allow_leaks:
        refuse(file, "groups lie on several sides", groups_on_several_sides(groups, sides))
    order = _class_order(file, by_column[label], classes)
    labels = torch.tensor([order.index(name) for name in by_column[label]], dtype=torch.int64)
    return ImageTable(names, paths, labels, order, groups, sides)


def groups_on_several_sides(groups: Sequence[str], sides: Sequence[str]) -> tuple[str, ...]:
    """The groups that have images on more than one side of a split, sorted: what is learnt there can be remembered.

    Args:
        groups: the group of each image, N ids.
        sides: the side of each image, N names.

    Raises:
        ValueError: lengths that differ.

    Example:
        >>> groups_on_several_sides(["p1", "p1", "p2"], ["train", "test", "test"])
        ('p1',)
    """
    for ids, name in ((groups, "groups"), (sides, "sides")):
        if isinstance(ids, str) or not isinstance(ids, Sequence) or not all(isinstance(i, str) for i in ids):
            raise TypeError(f"{name}: expected a sequence of texts, got {ids!r:.80}")
    if len(groups) != len(sides):
        raise ValueError(f"sides: expected one for each of {len(groups)} groups, got {len(sides)}")
    seen: dict[str, set[str]] = {}
    for group, side in zip(groups, sides, strict=True):
        seen.setdefault(group, set()).add(side)
    return tuple(sorted(group for group, names in seen.items() if len(names) > 1))


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: expected a folder, found none")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise FileNotFoundError(f"{root}: expected a folder for each class, found none")
    return folders


def _is_image(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return path.suffix.lower() in IMAGE_SUFFIXES and not hidden and path.is_file()


def _images_in(folder: Path) -> Iterable[Path]:
    return (path for path in sorted(folder.iterdir()) if _is_image(path, folder))


def _class_order(where: Path, labels: Sequence[str], classes: Sequence[str] | None) -> tuple[str, ...]:
    """The classes in the order of the labels."""
    found = set(labels)
    if classes is None:
        return tuple(sorted(found, key=int) if all(name.isdecimal() for name in found) else sorted(found))
    if not isinstance(classes, Sequence) or not all(isinstance(name, str) for name in classes):
        raise TypeError(f"classes: expected a sequence of names or None, got {classes!r:.80}")
    if isinstance(classes, str) or len(set(classes)) < len(classes):
        raise ValueError(f"classes: expected names that differ, got {classes!r}")
    refuse(where, f"classes are not among {list(classes)}", found - set(classes))
    return tuple(classes)
