"""How whole images become squares: each against torchvision's own, masks in register."""

import pytest
import torch
import torchvision.transforms.functional as TF
from PIL import Image
from torchvision.transforms import InterpolationMode

from reproduction.data.frames import CentreCrop, ShortSide, Squash

SIZES = [(600, 450), (450, 600), (90, 61), (70, 70)]


def drawn(size):
    width, height = size
    generator = torch.Generator().manual_seed(0)
    return TF.to_pil_image(torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8))


def resized(image, size):
    return TF.resize(image, size, InterpolationMode.BICUBIC)


@pytest.mark.parametrize("size", SIZES)
def test_each_frame_is_what_torchvision_makes_of_it(size):
    image = drawn(size)
    short = [min(size)] * 2
    for frame, expected in (
        (Squash(56), resized(image, [56, 56])),
        (CentreCrop(56), resized(TF.center_crop(image, short), [56, 56])),
        (ShortSide(56), TF.center_crop(resized(image, 64), [56, 56])),
    ):
        assert frame.fit(image, 56).tobytes() == expected.tobytes()


def test_images_and_masks_are_cut_alike(tmp_path):
    mask = Image.new("L", (80, 60))
    mask.paste(255, (30, 20, 60, 50))
    image = Image.merge("RGB", [mask] * 3)
    for name, part in (("image.png", image), ("mask.png", mask)):
        part.save(tmp_path / name)
    for frame in (Squash(28, tmp_path), CentreCrop(28, tmp_path), ShortSide(28, tmp_path)):
        images, masks = frame.images([tmp_path / "image.png"]), frame.masks([tmp_path / "mask.png"])
        assert torch.equal(images[:, :1] > 127, masks)
        assert 0 < masks.float().mean() < 1
