"""The chest X-rays of CARE: a part of the RSNA pneumonia detection challenge of 2018, in the challenge's own layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from longtail_mix.data import stratified_split
from longtail_mix.data._table import read_rows
from reproduction.data.listed import first
from reproduction.data.task import Frame, Images, Source, Task
from reproduction.training.atomic_files import write_atomically
from reproduction.training.describe import PLACE

CLASSES = ("Normal", "No Lung Opacity / Not Normal", "Lung Opacity")
BOX = ("x", "y", "width", "height")
Boxes = Mapping[str, Sequence[tuple[float, ...]]]


@dataclass(frozen=True)
class Pneumonia(Source):
    """Under `root`: ``stage_2_detailed_class_info.csv``, ``stage_2_train_labels.csv``, ``stage_2_train_images/ID.dcm``.

    The paper extracted 8,851, 6,012 and 105 images of the three classes and does not say which; here they are drawn. In
    the challenge's training part 8,851 are normal, 11,821 neither normal nor opaque, and 6,012 show an opacity.

    The films are decoded once, to PNG files, which takes pydicom. The boxes of the opacities are the masks.

    Args:
        root: the challenge's folder.
        pngs: where the PNG files go; default: ``stage_2_train_pngs`` beside the films.
        counts: images of each class, Normal, No Lung Opacity / Not Normal, Lung Opacity.
        test_fraction: share of each class.
        seed: another seed, other images and another split.
    """

    root: Path = field(default=Path("data"), metadata=PLACE)
    pngs: Path | None = field(default=None, metadata=PLACE)
    counts: tuple[int, int, int] = (8851, 6012, 105)
    test_fraction: float = 0.2
    seed: int = 0

    def task(self, frame: Frame, seed: int) -> Task:  # noqa: ARG002  the same sides for every seed
        """The sides; there is no validation.

        Raises:
            FileNotFoundError: a table or a film is missing, by name.
            ValueError: a table that is none of the challenge's; fewer images of a class than wanted.
        """
        patients, labels = self._drawn()
        boxes = read_boxes(self.root / "stage_2_train_labels.csv")
        folder = self.pngs or self.root / "stage_2_train_pngs"
        films = [self.root / "stage_2_train_images" / f"{patient}.dcm" for patient in patients]
        missing = [film.name for film in films if not film.is_file()]
        if missing:
            raise FileNotFoundError(f"{films[0].parent}: {len(missing)} films not found: {first(missing)}")
        folder.mkdir(parents=True, exist_ok=True)
        pngs = [as_png(film, folder) for film in films]
        masks = [mask_of(png, boxes.get(patient, ())) for patient, png in zip(patients, pngs, strict=True)]
        everything = Images(frame.images(pngs), labels, tuple(patients), frame.masks(masks))
        split = stratified_split(labels, patients, self.test_fraction, self.seed)
        name = f"pneumonia X-rays, {len(patients)} films"
        return Task(name, CLASSES, everything.rows(split.train), lambda: everything.rows(split.test))

    def _drawn(self) -> tuple[list[str], Tensor]:
        """The patients in the order of their names, and their labels."""
        file = self.root / "stage_2_detailed_class_info.csv"
        of = read_classes(file)
        chosen: list[tuple[str, int]] = []
        generator = torch.Generator().manual_seed(self.seed)
        for label, (name, count) in enumerate(zip(CLASSES, self.counts, strict=True)):
            own = sorted(patient for patient, its in of.items() if its == name)
            if not 0 < count <= len(own):
                raise ValueError(f"{file}: expected {count} images of {name!r}, 1 or more, got {len(own)}")
            rows = torch.randperm(len(own), generator=generator)[:count].tolist()
            chosen += [(own[row], label) for row in rows]
        chosen.sort()
        return [patient for patient, _ in chosen], torch.tensor([label for _, label in chosen])


def read_classes(file: Path) -> dict[str, str]:
    """The class of each patient; a patient with several boxes has as many rows."""
    found: dict[str, str] = {}
    wrong = []
    for patient, name in read_rows(existing(file), ("patientId", "class")):
        if name not in CLASSES or found.setdefault(patient, name) != name:
            wrong.append(f"{patient}: {name}")
    if wrong:
        raise ValueError(f"{file}: expected one of {CLASSES} for each patient, got {len(wrong)} others: {first(wrong)}")
    return found


def read_boxes(file: Path) -> dict[str, list[tuple[float, ...]]]:
    """The boxes of each patient who has some: left, top, width and height in pixels."""
    found: dict[str, list[tuple[float, ...]]] = {}
    wrong = []
    for patient, target, *box in read_rows(existing(file), ("patientId", "Target", *BOX)):
        if target == "1":
            try:
                found.setdefault(patient, []).append(tuple(map(float, box)))
            except ValueError:
                wrong.append(f"{patient}: {', '.join(box)}")
    if wrong:
        raise ValueError(f"{file}: expected four numbers for each box, got {len(wrong)} others: {first(wrong)}")
    return found


def existing(file: Path) -> Path:
    """The file, or ``FileNotFoundError``."""
    if not file.is_file():
        raise FileNotFoundError(f"{file}: not found; expected the layout of the RSNA pneumonia challenge, stage 2")
    return file


def as_png(film: Path, folder: Path) -> Path:
    """The film as a PNG file of 8 bits, made where it is not there yet.

    Raises:
        ModuleNotFoundError: there is no pydicom; the message says how it is installed.
        ValueError: what is no grey film.
    """
    png = folder / f"{film.stem}.png"
    if not png.is_file():
        try:
            import pydicom
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "DICOM films: expected the package pydicom, which comes with pip install 'longtail-mix[dicom]'"
            ) from error
        read = pydicom.dcmread(film)
        if read.PhotometricInterpretation not in ("MONOCHROME1", "MONOCHROME2"):
            raise ValueError(f"{film}: expected a grey film, got {read.PhotometricInterpretation}")
        most = 2**read.BitsStored - 1
        pixels = torch.from_numpy(read.pixel_array.astype("int64"))
        if read.PhotometricInterpretation == "MONOCHROME1":  # 0 is white
            pixels = most - pixels
        grey = Image.fromarray((pixels * 255 / most).round().to(torch.uint8).numpy())
        write_atomically(png, lambda file: grey.save(file, "png"))
    return png


def mask_of(png: Path, boxes: Sequence[tuple[float, ...]]) -> Path:
    """A file beside the film's, white inside of the boxes; films of one size without boxes share it."""
    with Image.open(png) as film:
        size = film.size
    named = f"{png.stem}-boxes.png" if boxes else f"none-{size[0]}-{size[1]}.png"
    mask = png.with_name(named)
    if not mask.is_file():
        drawn = Image.new("L", size)
        for left, top, width, height in boxes:
            # Both corners of a rectangle belong to it.
            corners = round(left), round(top), round(left + width) - 1, round(top + height) - 1
            ImageDraw.Draw(drawn).rectangle(corners, fill=255)
        write_atomically(mask, lambda file: drawn.save(file, "png"))
    return mask
