from pathlib import Path

import pytest
from PIL import Image

from longtail_mix.data import read_isic2017

IMAGES, MASKS = "ISIC-2017_Training_Data", "ISIC-2017_Training_Part1_GroundTruth"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in (IMAGES, MASKS):
        (tmp_path / folder).mkdir()
    for name in ("ISIC_0000002", "ISIC_0000000"):
        Image.new("RGB", (8, 6)).save(tmp_path / IMAGES / f"{name}.jpg")
        Image.new("RGB", (8, 6)).save(tmp_path / IMAGES / f"{name}_superpixels.png")
        Image.new("L", (8, 6), 255).save(tmp_path / MASKS / f"{name}_segmentation.png")
    return tmp_path


def test_joins_images_and_masks_by_name(root, monkeypatch):
    data = read_isic2017(root)
    assert data.names == ("ISIC_0000000", "ISIC_0000002")
    assert [path.name for path in data.paths] == ["ISIC_0000000.jpg", "ISIC_0000002.jpg"]
    assert [path.name for path in data.masks] == ["ISIC_0000000_segmentation.png", "ISIC_0000002_segmentation.png"]
    monkeypatch.setenv("ISIC2017_ROOT", str(root))
    assert read_isic2017() == data


def test_what_does_not_match_is_named(root):
    (root / MASKS / "ISIC_0000002_segmentation.png").rename(root / MASKS / "ISIC_0000009_segmentation.png")
    with pytest.raises(ValueError, match="1 images have no mask, the first: ISIC_0000002"):
        read_isic2017(root)
    (root / IMAGES / "ISIC_0000002.jpg").unlink()
    with pytest.raises(ValueError, match="1 masks have no image, the first: ISIC_0000009"):
        read_isic2017(root)


def test_what_is_missing_is_named(root, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_isic2017(tmp_path / "nowhere")
    for path in (root / IMAGES).iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"expected \*.jpg images, found none"):
        read_isic2017(root)
    monkeypatch.delenv("ISIC2017_ROOT", raising=False)
    with pytest.raises(ValueError, match="ISIC2017_ROOT is unset"):
        read_isic2017()
