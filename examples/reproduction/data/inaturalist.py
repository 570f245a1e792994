"""iNaturalist 2018 by the challenge's own JSON files; torchvision's reader knows the folders and not the sides."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reproduction.data.listed import check_new, first
from reproduction.data.task import Frame, Images, Source, Task
from reproduction.training.describe import PLACE


@dataclass(frozen=True)
class INaturalist2018(Source):
    """437,513 images of 8,142 species to train on; the 24,426 of the challenge's validation are the test, as usual.

    Args:
        root: the folder with ``train2018.json``, ``val2018.json`` and ``train_val2018``.
    """

    root: Path = field(default=Path("data"), metadata=PLACE)

    def task(self, frame: Frame, seed: int) -> Task:  # noqa: ARG002  the same sides for every seed
        """The sides; there is no validation.

        Raises:
            FileNotFoundError: a JSON file or an image is missing, by name.
            ValueError: a file that is no such JSON, an image without a species or with two; other species in the test.
        """
        paths, labels, classes = read_challenge(self.root / "train2018.json")

        def side(paths: list[str], labels: Tensor) -> Images:
            return Images(frame.images([self.root / path for path in paths]), labels, tuple(paths))

        def load_test() -> Images:
            file = self.root / "val2018.json"
            own, own_labels, own_classes = read_challenge(file)
            if own_classes != classes:
                raise ValueError(f"{file}: expected the {len(classes)} species of train2018.json, got others")
            check_new(file, own, set(paths))
            return side(own, own_labels)

        names = tuple(classes.values())
        return Task(f"iNaturalist 2018, {len(paths)} images", names, side(paths, labels), load_test)


def read_challenge(file: Path) -> tuple[list[str], Tensor, dict[int, str]]:
    """Paths, labels [N] and the names of the species by their numbers, in the order of the numbers.

    Raises:
        FileNotFoundError: no such file.
        ValueError: what is missing or wrong, with the first five.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: not found; expected a JSON file of the iNaturalist challenge of 2018")
    try:
        content = json.loads(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file}: expected JSON, got {error}") from error
    images = entries_of(file, content, "images", ("id", "file_name"))
    annotations = entries_of(file, content, "annotations", ("image_id", "category_id"))
    categories = entries_of(file, content, "categories", ("id",))
    species = {int(own["id"]): str(own.get("name", own["id"])) for own in sorted(categories, key=lambda own: own["id"])}
    label_of = {number: label for label, number in enumerate(species)}
    unknown = [str(own["category_id"]) for own in annotations if own["category_id"] not in label_of]
    if unknown:
        raise ValueError(f"{file}: expected species that categories lists, got {len(unknown)} others: {first(unknown)}")
    seen: dict[Any, list[int]] = {}
    for own in annotations:
        seen.setdefault(own["image_id"], []).append(label_of[own["category_id"]])
    wrong = [str(own["file_name"]) for own in images if len(seen.get(own["id"], ())) != 1]
    if wrong:
        raise ValueError(f"{file}: expected one annotation of each image, got {len(wrong)} others: {first(wrong)}")
    paths = [str(own["file_name"]) for own in images]
    check_new(file, paths, set())
    return paths, torch.tensor([seen[own["id"]][0] for own in images]), species


def entries_of(file: Path, content: Any, name: str, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """A list of the file, whose entries have all the keys."""
    entries = content.get(name) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{file}: expected a list {name!r}, got none")
    wrong = [str(own)[:80] for own in entries if not (isinstance(own, dict) and all(key in own for key in keys))]
    if wrong:
        raise ValueError(f"{file}: expected {' and '.join(keys)} in {name}, got {len(wrong)} without: {first(wrong)}")
    return entries
