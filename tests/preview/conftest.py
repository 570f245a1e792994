"""A small set of images on disk, with something wrong in it."""

import numpy as np
import pytest
from PIL import Image


def noise(seed, size=80):
    """A smooth image of random colours: [S, S, 3] bytes."""
    cells = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((size, size), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path):
    """24 images of a head class and 3 of a tail class."""
    return write_set(tmp_path / "set")


@pytest.fixture(scope="module")
def same_folder(tmp_path_factory):
    """The same for all tests of a file, which only read it."""
    return write_set(tmp_path_factory.mktemp("read") / "set")


def write_set(root):
    """Write the images under `root`."""
    for name, count in (("head", 24), ("tail", 3)):
        (root / name).mkdir(parents=True)
        for i in range(count):
            noise(100 * len(name) + i + (name == "tail") * 50).save(root / name / f"{i:02}.png")
    return root
