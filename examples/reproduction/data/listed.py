"""ImageNet-LT by its official lists: text files with a path and a label on each line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from reproduction.data.task import Frame, Images, Source, Task
from reproduction.training.describe import PLACE


@dataclass(frozen=True)
class ImageNetLT(Source):
    """Images of ImageNet as Liu et al. 2019 list them: 115,846 to train on, 20 and 50 a class to validate and test.

    Args:
        root: the folder that the lists' paths start from, with ImageNet's ``train`` and ``val``.
        lists: the folder of the lists; default: the same.
        prefix: how the lists' names begin: ``PREFIX_train.txt``, ``_val.txt`` and ``_test.txt``.
        validation: whether there is a list to validate with, and it is read.
    """

    root: Path = field(default=Path("data"), metadata=PLACE)
    lists: Path | None = field(default=None, metadata=PLACE)
    prefix: str = "ImageNet_LT"
    validation: bool = True

    def task(self, frame: Frame, seed: int) -> Task:  # noqa: ARG002  the same sides for every seed
        """The sides; classes are named by their folders.

        Raises:
            FileNotFoundError: a list or an image is missing, by name.
            ValueError: a line that is not a path and a label; labels with a gap; a path on two sides, or twice.
        """
        paths, labels = self._read("train")
        classes = max(labels) + 1
        names = {label: Path(path).parent.name for path, label in zip(paths, labels, strict=True)}
        aside = self._read("val") if self.validation else ([], [])
        check_new(self._file("val"), aside[0], set(paths))

        def side(name: str, paths: Sequence[str], labels: Sequence[int]) -> Images:
            if max(labels) >= classes:
                raise ValueError(f"{self._file(name)}: expected labels below {classes}, got {max(labels)}")
            images = frame.images([self.root / path for path in paths])
            return Images(images, torch.tensor(labels), tuple(paths))

        def load_test() -> Images:
            own, own_labels = self._read("test")
            check_new(self._file("test"), own, {*paths, *aside[0]})
            return side("test", own, own_labels)

        validation = side("val", *aside) if self.validation else None
        task_name = f"{self.prefix}, {len(paths)} images"
        named = tuple(names.get(label, str(label)) for label in range(classes))
        return Task(task_name, named, side("train", paths, labels), load_test, validation)

    def _file(self, side: str) -> Path:
        return (self.lists or self.root) / f"{self.prefix}_{side}.txt"

    def _read(self, side: str) -> tuple[list[str], list[int]]:
        file = self._file(side)
        paths, labels = read_list(file)
        check_new(file, paths, set())
        return paths, labels


def read_list(file: Path) -> tuple[list[str], list[int]]:
    """The paths and labels of a list; empty lines are skipped.

    Raises:
        FileNotFoundError: no such file.
        ValueError: nothing in it; lines that are not a path and a whole number of at least 0, the first five.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: not found; expected a list with a path and a label on each line")
    paths, labels, wrong = [], [], []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        path, _, label = line.strip().rpartition(" ")
        if path and label.isascii() and label.isdigit():
            paths.append(path.strip())
            labels.append(int(label))
        elif line.strip():
            wrong.append(f"line {number}: {line.strip()[:80]!r}")
    if wrong:
        raise ValueError(f"{file}: expected a path and a label on each line, got {len(wrong)} others: {first(wrong)}")
    if not paths:
        raise ValueError(f"{file}: expected a path and a label on each line, got none")
    return paths, labels


def check_new(file: Path, paths: Sequence[str], seen: set[str]) -> None:
    """Raise ``ValueError`` for paths that are there twice or were seen before."""
    known, twice = set(seen), []
    for path in paths:
        if path in known:
            twice.append(path)
        known.add(path)
    if twice:
        raise ValueError(f"{file}: expected each image on one side and once, got {len(twice)} again: {first(twice)}")


def first(offenders: Sequence[str]) -> str:
    """The first five."""
    return ", ".join(offenders[:5]) + (", ..." if len(offenders) > 5 else "")
