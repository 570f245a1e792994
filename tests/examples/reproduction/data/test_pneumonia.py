"""X-rays in the challenge's layout, made up; what is wrong in it is named."""

import sys

import pytest
import torch

from reproduction.data.boxes import Boxes
from reproduction.data.frames import CentreCrop, Squash
from reproduction.data.pneumonia import CLASSES, Pneumonia
from reproduction.training.describe import describe

pydicom = pytest.importorskip("pydicom", reason="needs the extra dicom")
HAVE = (6, 5, 4)  # films of each class


def write_film(path, pixels, bits=8, photometric="MONOCHROME2"):
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, photometric
    film.Rows, film.Columns = pixels.shape
    film.BitsAllocated = 8 if bits == 8 else 16
    film.BitsStored, film.HighBit, film.PixelRepresentation = bits, bits - 1, 0
    film.PixelData = pixels.to(torch.uint8 if bits == 8 else torch.int16).numpy().tobytes()
    film.save_as(path)


@pytest.fixture
def challenge(tmp_path):
    """The brightness of a film tells its class; those with an opacity have a box, the last two."""
    root = tmp_path / "rsna"
    (root / "stage_2_train_images").mkdir(parents=True)
    classes, labels = ["patientId,class"], ["patientId,x,y,width,height,Target"]
    for label, count in enumerate(HAVE):
        for i in range(count):
            patient = f"{i}-{label}"
            write_film(root / "stage_2_train_images" / f"{patient}.dcm", torch.full((32, 32), 50 * label))
            boxes = [("4", "8", "12", "16"), ("24", "0", "8", "8")][: 1 + (i == 3)] if label == 2 else []
            classes += [f"{patient},{CLASSES[label]}"] * max(len(boxes), 1)
            labels += [f"{patient},{','.join(box)},1" for box in boxes] or [f"{patient},,,,,0"]
    (root / "stage_2_detailed_class_info.csv").write_text("\n".join(classes) + "\n")
    (root / "stage_2_train_labels.csv").write_text("\n".join(labels) + "\n")
    return root


def small(root, **options):
    return Pneumonia(root, **{"counts": (6, 5, 4), "test_fraction": 0.4, **options})


@pytest.mark.parametrize("frame", [Squash, CentreCrop])
def test_films_classes_and_boxes_belong_together(challenge, tmp_path, frame):
    task = small(challenge).task(frame(16, tmp_path / "cache"), 0)
    assert task.classes == ("Normal", "No Lung Opacity / Not Normal", "Lung Opacity")
    assert task.name == "pneumonia X-rays, 15 films"
    sides = (task.train, task.test())
    assert [side.labels.bincount().tolist() for side in sides] == [[4, 3, 2], [2, 2, 2]]
    assert not set(sides[0].groups) & set(sides[1].groups)
    seen = {}
    for side in sides:
        assert side.images.shape[1:] == (3, 16, 16)
        assert torch.equal(side.images[:, 1, 8, 8].long(), 50 * side.labels)
        for patient, label, mask in zip(side.groups, side.labels.tolist(), side.masks, strict=True):
            assert patient.endswith(f"-{label}")
            seen[patient] = mask[0]
    box, other = torch.zeros(16, 16, dtype=torch.bool), torch.zeros(16, 16, dtype=torch.bool)
    box[4:12, 2:8] = True
    other[0:4, 12:16] = True
    assert torch.equal(seen["0-2"], box)
    assert torch.equal(seen["3-2"], box | other)
    assert not seen["0-0"].any()


def test_care_s_boxes_are_the_radiologists(challenge, tmp_path):
    task = small(challenge).task(Squash(16, tmp_path / "cache"), 0)
    boxes = Boxes().maps(task.train, torch.device("cpu"))
    assert torch.equal(boxes == 255, task.train.masks)


def test_a_part_is_drawn_by_the_seed(challenge, tmp_path):
    frame = Squash(8, tmp_path / "cache")

    def drawn(seed):
        task = small(challenge, counts=(3, 3, 3), seed=seed).task(frame, 0)
        assert task.class_counts() == (2, 2, 2)
        return {*task.train.groups, *task.test().groups}

    assert drawn(0) == drawn(0) != drawn(1)
    assert describe(small(challenge, pngs=tmp_path)) == describe(small(tmp_path))
    assert describe(small(challenge, seed=1)) != describe(small(challenge))


def test_films_of_more_bits_and_of_negatives_become_grey_images(challenge, tmp_path):
    films = challenge / "stage_2_train_images"
    write_film(films / "0-0.dcm", torch.full((32, 32), 1024), bits=12)
    write_film(films / "1-0.dcm", torch.full((32, 32), 5), photometric="MONOCHROME1")
    task = small(challenge).task(Squash(8, tmp_path / "cache"), 0)
    pixels = {}
    for side in (task.train, task.test()):
        pixels |= dict(zip(side.groups, side.images[:, 0, 0, 0].tolist(), strict=True))
    assert pixels["0-0"] == round(1024 * 255 / 4095)
    assert pixels["1-0"] == 250


def edited(file, old, new):
    file.write_text(file.read_text().replace(old, new, 1))


def test_what_is_wrong_is_named(challenge, tmp_path, monkeypatch):
    frame = Squash(8, tmp_path / "cache")
    with pytest.raises(ValueError, match="class_info.csv: expected 5 images of 'Lung Opacity', 1 or more, got 4"):
        small(challenge, counts=(1, 1, 5)).task(frame, 0)
    classes, labels = challenge / "stage_2_detailed_class_info.csv", challenge / "stage_2_train_labels.csv"
    kept = classes.read_text(), labels.read_text()
    edited(labels, "0-2,4,8,12,16,1", "0-2,4,8,,16,1")
    with pytest.raises(ValueError, match="labels.csv: expected four numbers .*, got 1 others: 0-2: 4, 8, , 16"):
        small(challenge).task(frame, 0)
    labels.write_text(kept[1])
    edited(classes, "3-2,Lung Opacity", "3-2,Normal")
    with pytest.raises(ValueError, match="expected one of .* for each patient, got 1 others: 3-2: Lung Opacity"):
        small(challenge).task(frame, 0)
    classes.write_text(kept[0])
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ModuleNotFoundError, match=r"expected the package pydicom, .*longtail-mix\[dicom\]"):
        small(challenge).task(frame, 0)
    monkeypatch.undo()
    write_film(challenge / "stage_2_train_images" / "0-0.dcm", torch.zeros(4, 4), photometric="PALETTE COLOR")
    with pytest.raises(ValueError, match="0-0.dcm: expected a grey film, got PALETTE COLOR"):
        small(challenge).task(frame, 0)
    (challenge / "stage_2_train_images" / "0-0.dcm").unlink()
    with pytest.raises(FileNotFoundError, match="stage_2_train_images: 1 films not found: 0-0.dcm"):
        small(challenge).task(frame, 0)
    labels.unlink()
    with pytest.raises(FileNotFoundError, match="labels.csv: not found; expected the layout of the RSNA"):
        small(challenge).task(frame, 0)
