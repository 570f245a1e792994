"""Your own images: a folder for each class, or a CSV file with a row for each image."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from longtail_mix.data import ImageTable, group_split, read_folder, read_table
from reproduction.data.task import Frame, Images, Source, Task, pick
from reproduction.training.describe import PLACE

SIDES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True)
class Dealt:
    """How images that lie on no side yet are dealt, by whole groups.

    Args:
        test_fraction: share of the images.
        val_fraction: likewise; 0: no validation.
        seed: another seed, another split.
    """

    test_fraction: float = 0.2
    val_fraction: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Folder(Source):
    """``root/CLASS/.../IMAGE``, or ``root/train/CLASS/...`` with val and test beside it.

    Args:
        root: the folder.
        dealt: how images are dealt where the folder has no sides; each image is a group of its own.
    """

    root: Path = field(metadata=PLACE)
    dealt: Dealt = field(default_factory=Dealt)

    def task(self, frame: Frame, seed: int) -> Task:  # noqa: ARG002  the same sides for every seed
        """The sides; see :func:`longtail_mix.data.read_folder` for what is refused."""
        return task_of(read_folder(self.root), self.root.name, frame, self.dealt)


@dataclass(frozen=True)
class Table(Source):
    """A CSV file with a header and a row for each image.

    Args:
        file: the table.
        image: the column with each image's file.
        label: the column with its class.
        group: the column with what stays on one side, as the lesion or the patient; None: each image by itself.
        side: the column with train, val or test; None: they are dealt.
        root: the folder the files lie under; default: the table's.
        suffix: what to put behind each name.
        dealt: how images are dealt where no column says it.
    """

    file: Path = field(metadata=PLACE)
    image: str = "file"
    label: str = "label"
    group: str | None = "group"
    side: str | None = None
    root: Path | None = field(default=None, metadata=PLACE)
    suffix: str = ""
    dealt: Dealt = field(default_factory=Dealt)

    def task(self, frame: Frame, seed: int) -> Task:  # noqa: ARG002  the same sides for every seed
        """The sides; see :func:`longtail_mix.data.read_table` for what is refused."""
        columns = self.image, self.label, self.group, self.side
        return task_of(read_table(self.file, *columns, self.root, self.suffix), self.file.name, frame, self.dealt)


def task_of(table: ImageTable, name: str, frame: Frame, dealt: Dealt) -> Task:
    """The sides of a table; the files of the test are read when it is asked for."""
    train, validation, test = rows_of(table, dealt)

    def load(rows: Tensor) -> Images:
        images = frame.images([table.paths[row] for row in rows.tolist()])
        return Images(images, table.labels[rows], pick(table.groups, rows))

    aside = load(validation) if len(validation) else None
    return Task(name, table.classes, load(train), lambda: load(test), aside)


def rows_of(table: ImageTable, dealt: Dealt) -> tuple[Tensor, Tensor, Tensor]:
    """Training, validation (maybe empty) and test rows.

    Raises:
        ValueError: a side of another name, or no side to train on.
    """
    if table.sides is None:
        split = group_split(table.labels, table.groups, dealt.test_fraction, dealt.seed, dealt.val_fraction)
        return split.train, split.val, split.test
    side_of = {name: side for side, names in SIDES.items() for name in names}
    unknown = sorted({name for name in table.sides if name.lower() not in side_of})
    if unknown:
        raise ValueError(f"side: expected train, val or test, got {', '.join(unknown[:5])}")
    sides = [side_of[name.lower()] for name in table.sides]
    if "train" not in sides:
        raise ValueError(f"side: expected images to train on, got only {', '.join(sorted(set(table.sides)))}")
    found = [torch.tensor([row for row, own in enumerate(sides) if own == side], dtype=torch.int64) for side in SIDES]
    return found[0], found[1], found[2]
