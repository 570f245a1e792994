"""Shades of gray: what it does to the light, on every kind of image."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longtail_mix import ShadesOfGray
from longtail_mix.functional import shades_of_gray


def some_images(rows: int = 3, height: int = 5, width: int = 7) -> torch.Tensor:
    return torch.rand(rows, 3, height, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def by_loop(image: list[list[list[float]]], p: float) -> list[list[list[float]]]:
    light = []
    for channel in image:
        values = [value for row in channel for value in row]
        light.append((sum(value**p for value in values) / len(values)) ** (1 / p))
    length = sum(e**2 for e in light) ** 0.5
    gains = [1 / (3**0.5 * e / length) for e in light]
    return [[[min(v * g, 1.0) for v in row] for row in c] for c, g in zip(image, gains, strict=True)]


@pytest.mark.parametrize("p", [1.0, 6.0, 20.0])
def test_equals_the_loop(p):
    images = some_images()
    expected = torch.tensor([by_loop(image, p) for image in images.tolist()], dtype=torch.float64)
    torch.testing.assert_close(shades_of_gray(images, p), expected, rtol=0, atol=2e-6)  # computed in float32
    assert torch.equal(ShadesOfGray(p)(images), shades_of_gray(images, p))
    one = shades_of_gray(images[1:2], p)
    torch.testing.assert_close(one, shades_of_gray(images, p)[1:2])


@given(st.integers(0, 2**31), st.floats(1, 30), st.tuples(*[st.floats(0.2, 1.0)] * 3))
def test_the_light_no_longer_matters(seed, p, light):
    grey = 0.5 * torch.rand(1, 1, 6, 6, generator=torch.Generator().manual_seed(seed)).expand(1, 3, 6, 6)
    tinted = grey * torch.tensor(light).view(1, 3, 1, 1)
    corrected = shades_of_gray(tinted, p)
    assert (corrected.amax(1) - corrected.amin(1)).max() < 1e-5
    torch.testing.assert_close(shades_of_gray(grey, p), grey)
    assert corrected.min() >= 0
    assert corrected.max() <= 1


def test_bytes_floats_and_layouts(device):
    bytes_ = (some_images() * 255).round().to(torch.uint8).to(device)
    expected = (shades_of_gray(bytes_ / 255) * 255).round().to(torch.uint8)
    got = shades_of_gray(bytes_)
    assert got.dtype == torch.uint8
    assert torch.equal(got, expected)
    last = bytes_.to(memory_format=torch.channels_last)
    assert torch.equal(shades_of_gray(last), expected)
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        assert shades_of_gray((bytes_ / 255).to(dtype)).dtype == dtype
    with torch.autocast(device.type, torch.bfloat16):
        assert torch.equal(shades_of_gray(bytes_), expected)


def test_black_images_black_channels_and_tiny_ones():
    assert not shades_of_gray(torch.zeros(1, 3, 4, 4)).any()
    red = torch.zeros(1, 3, 4, 4)
    red[:, 0] = 0.3
    assert torch.equal(shades_of_gray(red), red)  # all the light there is
    two = torch.tensor([0.2, 0.4, 0.0]).view(1, 3, 1, 1)
    corrected = shades_of_gray(two).flatten()
    torch.testing.assert_close(corrected[0], corrected[1])
    assert corrected[2] == 0
    assert shades_of_gray(torch.zeros(0, 3, 4, 4)).shape == (0, 3, 4, 4)
    dark = torch.full((1, 3, 8, 8), 1 / 255)
    torch.testing.assert_close(shades_of_gray(dark, 100.0), dark)


def test_it_reads_and_does_not_write():
    images = some_images()
    before = images.clone()
    shades_of_gray(images)
    assert torch.equal(images, before)


def test_compiles_as_one_graph(device):
    compiled = torch.compile(ShadesOfGray(), fullgraph=True, backend="eager")
    for rows in (3, 2):
        images = some_images(rows).float().to(device)
        torch.testing.assert_close(compiled(images), shades_of_gray(images))


@pytest.mark.parametrize(
    ("images", "p", "error", "message"),
    [
        (torch.zeros(3, 4, 4), 6, ValueError, r"images: expected RGB images"),
        (torch.zeros(1, 3, 4, 4).int(), 6, TypeError, "images: expected uint8 or floating-point images"),
        (torch.full((1, 3, 4, 4), 3.0), 6, ValueError, r"images: expected values in \[0, 1\]"),
        (torch.zeros(1, 3, 4, 4), 0.5, ValueError, "p: expected a finite number of at least 1, got 0.5"),
        (torch.zeros(1, 3, 4, 4), float("inf"), ValueError, "p: expected a finite number"),
        (torch.zeros(1, 3, 4, 4), "6", TypeError, "p: expected a number"),
    ],
)
def test_bad_calls(images, p, error, message):
    with pytest.raises(error, match=message):
        shades_of_gray(images, p)


def test_bad_options():
    with pytest.raises(ValueError, match="p: expected a finite number of at least 1, got 0"):
        ShadesOfGray(0)
    assert repr(ShadesOfGray()) == "ShadesOfGray(p=6.0)"
