"""SaliencyMix: the box lies where each second image is most salient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from longtail_mix import CutMix, SaliencyMap, SaliencyMix
from longtail_mix.functional import boxes_around, cutmix, draw_lam, saliency_map, saliency_mix, saliency_peaks


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=40)
@given(
    number=st.integers(0, 4),
    height=st.integers(1, 8),
    width=st.integers(1, 8),
    levels=st.integers(1, 5),
    seed=st.integers(0, 2**31),
)
def test_the_peak_is_one_of_the_most_salient_pixels(number, height, width, levels, seed):
    maps = torch.randint(levels, (number, 1, height, width), generator=seeded(seed)) / levels
    peaks = saliency_peaks(maps, seeded(seed))
    assert peaks.shape == (number, 2)
    for i, (x, y) in enumerate(peaks.tolist()):
        assert maps[i, 0, y, x] == maps[i].max()


def test_a_little_less_is_not_the_peak():
    maps = torch.full((400, 1, 2, 3), 1 - 2.0**-23)
    maps[:, 0, 1, 2] = 1.0
    assert (saliency_peaks(maps, seeded(0)) == torch.tensor([2, 1])).all()


def test_equally_salient_pixels_are_equally_likely():
    maps = torch.zeros(6000, 1, 2, 3)
    maps[:, :, 0, 1] = maps[:, :, 1, 2] = maps[:, :, 1, 0] = 0.7
    x, y = saliency_peaks(maps, seeded(0)).unbind(1)
    counts = torch.bincount(y * 3 + x, minlength=6)
    assert counts[[0, 2, 4]].tolist() == [0, 0, 0]
    assert (counts[[1, 3, 5]] - 2000).abs().max() < 4 * (6000 * 2 / 9) ** 0.5


@settings(max_examples=25)
@given(seed=st.integers(0, 2**31), number=st.integers(1, 4), height=st.integers(1, 9), width=st.integers(1, 9))
def test_images_and_lam_by_hand(seed, number, height, width):
    generator = seeded(seed)
    first, second = torch.rand(2, number, 3, height, width, generator=generator)
    maps = torch.rand(number, 1, height, width, generator=generator)  # no two pixels alike
    labels, other = torch.randint(5, (2, number), generator=generator)
    lam = torch.rand(number, generator=generator)
    mixed, target = saliency_mix(first, labels, second, other, maps, lam)
    for i in range(number):
        at = int(maps[i].argmax())
        y, x = at // width, at % width
        half = 0.5 * torch.sqrt(1 - lam[i])
        half_width, half_height = int(half * width), int(half * height)
        rows = slice(max(y - half_height, 0), min(y + half_height, height))
        columns = slice(max(x - half_width, 0), min(x + half_width, width))
        expected = first[i].clone()
        expected[:, rows, columns] = second[i][:, rows, columns]
        assert torch.equal(mixed[i], expected)
        cut = torch.zeros(height, width)
        cut[rows, columns] = 1
        torch.testing.assert_close(target.lam[i], 1 - cut.mean())


def test_without_contrast_it_is_cutmix_with_a_centre_anywhere():
    peaks = saliency_peaks(torch.zeros(4000, 1, 2, 2), seeded(0))
    assert (torch.bincount(peaks[:, 1] * 2 + peaks[:, 0]) - 1000).abs().max() < 4 * 750**0.5


class Red(nn.Module):
    """A saliency whose peaks are plain to see."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :1]


def test_every_image_has_a_map_of_its_own():
    second = torch.zeros(3, 3, 24, 24)
    for i in range(3):
        second[i, 0, 8 * i + 4, 12] = 1.0
    first, labels = torch.full_like(second, 0.5), torch.zeros(3, dtype=torch.long)
    assert saliency_peaks(second[:, :1]).tolist() == [[12, 4], [12, 12], [12, 20]]
    assert isinstance(SaliencyMix().saliency, SaliencyMap)
    for mix, maps in ((SaliencyMix(saliency=Red()), second[:, :1]), (SaliencyMix(), saliency_map(second))):
        mixed, target = mix(first, labels, second, labels + 1, generator=seeded(4))
        generator = seeded(4)
        lam = draw_lam(labels, 1.0, generator)
        boxes = boxes_around(saliency_peaks(maps, generator), lam, 24, 24)
        expected, expected_target = cutmix(first, labels, second, labels + 1, boxes)
        assert torch.equal(mixed, expected)
        assert torch.equal(target.lam, expected_target.lam)


def test_normalised_images_and_maps_computed_before():
    mean, std = [0.5, 0.4, 0.3], [0.2, 0.3, 0.2]
    images = (torch.rand(2, 4, 3, 16, 16) * 255).round() / 255
    labels = torch.arange(4)
    normalised = (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    pairs = (normalised[0], labels, normalised[1], labels)
    mixed, _ = SaliencyMix(mean=mean, std=std)(*pairs, generator=seeded(0))
    maps = saliency_map(images[1])
    again, _ = SaliencyMix(saliency=Never())(*pairs, None, maps, generator=seeded(0))
    assert torch.equal(mixed, again)
    assert not torch.equal(SaliencyMix(saliency=Never())(*pairs, maps, maps.flip(-1), generator=seeded(0))[0], mixed)
    assert not torch.equal(CutMix()(*pairs, generator=seeded(0))[0], mixed)


class Never(nn.Module):
    """A saliency that must not be asked."""

    def forward(self, _images: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the maps were given")


X = torch.rand(2, 3, 4, 4)
Y = torch.tensor([0, 1])
MAPS = torch.rand(2, 1, 4, 4)
LAM = torch.tensor([0.2, 0.3])


@pytest.mark.parametrize(
    ("maps", "lam", "error", "message"),
    [
        (X, LAM, ValueError, r"second_map: expected maps \[B, 1, H, W\], got shape \[2, 3, 4, 4\]"),
        (
            MAPS[:1],
            LAM,
            ValueError,
            r"second_map: expected one of 4x4 for each of 2 images, got shape \[1, 1, 4, 4\]",
        ),
        (MAPS[..., :2], LAM, ValueError, "second_map: expected one of 4x4 for each of 2 images"),
        (MAPS * torch.nan, LAM, ValueError, "second_map: expected finite values"),
        (MAPS.long(), LAM, TypeError, "second_map: expected a floating-point tensor"),
        (MAPS.to("meta"), LAM, ValueError, "second_map: expected device cpu like first, got meta"),
        (MAPS, LAM + 1, ValueError, r"lam: expected values in \[0, 1\], got 1.2 to 1.3"),
        (MAPS, LAM[:1], ValueError, "lam: expected one for each of 2 images"),
    ],
)
def test_bad_input(maps, lam, error, message):
    with pytest.raises(error, match=message):
        saliency_mix(X, Y, X, Y, maps, lam)


def test_bad_options():
    with pytest.raises(ValueError, match="mean, std: expected None beside a saliency of your own"):
        SaliencyMix(saliency=Never(), mean=[0.5] * 3, std=[0.5] * 3)
    assert repr(SaliencyMix(0.5, Never())) == "SaliencyMix(\n  alpha=0.5\n  (saliency): Never()\n)"
