"""CIFAR's shifts and the papers' rotations and colours, against what a loop would do."""

import pytest
import torch
import torchvision.transforms.v2.functional as tv
from kornia.enhance import (
    adjust_brightness_accumulative,
    adjust_contrast_with_mean_subtraction,
    adjust_saturation_with_gray_subtraction,
)

from reproduction.training.printed_views import ShiftedViews, TurnedViews
from reproduction.training.rand_augment import BRIGHTNESS, COLOR, CONTRAST, ROTATE, change_colours
from reproduction.training.views import apply_views, draw_views


def test_shifts_are_whole_pixels_into_black_and_there_are_no_flips_upside_down():
    settings = ShiftedViews(16, shift=3)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(1, 256, (200, 3, 16, 16), dtype=torch.uint8, generator=generator)
    views, _ = apply_views(images, None, draw_views(200, settings, generator), settings)
    seen = set()
    for image, view in zip(images, views, strict=True):
        padded = torch.nn.functional.pad(image / 255, (3, 3, 3, 3))
        crops = {
            (y, x, flip): (padded.flip(-1) if flip else padded)[:, y : y + 16, x : x + 16]
            for y in range(7)
            for x in range(7)
            for flip in (False, True)
        }
        found = [at for at, crop in crops.items() if torch.allclose(crop, view, atol=1e-5)]
        assert len(found) == 1
        seen.add(found[0])
    assert {y for y, _, _ in seen} == {x for _, x, _ in seen} == set(range(7))
    assert {flip for *_, flip in seen} == {False, True}


def test_turned_views_are_rotated_as_far_as_said_and_maps_with_them():
    settings = TurnedViews(33, crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0), flip=0.0, rotation=90.0, jitter=0.0)
    draws = draw_views(300, settings, torch.Generator().manual_seed(1))
    assert draws.operation[0].tolist() == [ROTATE, BRIGHTNESS, CONTRAST, COLOR]
    degrees = 30 * draws.strength[:, 0]
    assert degrees.abs().max() <= 90
    assert degrees.min() < -80
    assert degrees.max() > 80
    draws.strength[0, 0] = 2.0  # 60 degrees
    blob = torch.zeros(1, 1, 33, 33)
    blob[..., 8:14, 10:20] = 1
    image = (255 * blob.expand(-1, 3, -1, -1)).to(torch.uint8)
    views, maps = apply_views(image, blob, draws.of(slice(0, 1)), settings)
    expected = tv.rotate(blob, 60, interpolation=tv.InterpolationMode.BILINEAR)
    assert maps is not None
    torch.testing.assert_close(maps, expected, atol=0.02, rtol=0)
    torch.testing.assert_close(
        views.mean(1, keepdim=True)[..., 8:-8, 8:-8], expected[..., 8:-8, 8:-8], atol=0.02, rtol=0
    )


def test_jitter_multiplies_brightness_contrast_and_saturation():
    settings = TurnedViews(8, rotation=0.0, jitter=0.2)
    draws = draw_views(400, settings, torch.Generator().manual_seed(2))
    factors = 1 + 0.9 * draws.strength[:, 1:]
    assert 0.8 <= factors.min() < 0.81
    assert 1.19 < factors.max() <= 1.2
    images = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    expected = adjust_brightness_accumulative(images, factors[0, 0].float())
    expected = adjust_contrast_with_mean_subtraction(expected, factors[0, 1].float())
    expected = adjust_saturation_with_gray_subtraction(expected, factors[0, 2].float())
    changed = images.clone()
    change_colours(changed, draws.operation[:1], draws.strength[:1])
    torch.testing.assert_close(changed, expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TurnedViews(rotation=181), "rotation: expected 0 to 180, got 181"),
        (lambda: TurnedViews(jitter=-0.1), "jitter: expected 0 to 1, got -0.1"),
        (lambda: ShiftedViews(8, shift=8), "shift: expected 0 to 7, got 8"),
        (lambda: TurnedViews(crop_scale=(0.0, 1.0)), "crop_scale: expected"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()
