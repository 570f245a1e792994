"""Views against torchvision's and kornia's single operations; images and maps move together; rows by themselves."""

import math

import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as tv
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.geometry.transform import warp_affine
from torchvision.transforms import InterpolationMode

from longtail_mix.data import synthetic_dermoscopy
from reproduction.training.rand_augment import (
    COLOURS,
    FIRST_COLOUR,
    IDENTITY,
    NUM_OPERATIONS,
    ROTATE,
    SHEAR_X,
    SHEAR_Y,
    TRANSLATE_X,
    TRANSLATE_Y,
    autocontrast,
    change_colours,
)
from reproduction.training.views import ViewDraws, ViewSettings, apply_views, draw_views, halvings_of, source_matrices

BILINEAR = InterpolationMode.BILINEAR


def draws_of(area=1.0, ratio=1.0, place=(0.5, 0.5), flip=(1, 1), operations=((IDENTITY, 0.0),)):
    """One image's view, all of it written down."""
    numbers, strengths = zip(*operations, strict=True)
    return ViewDraws(
        torch.tensor([area], dtype=torch.float64),
        torch.tensor([math.log(ratio)], dtype=torch.float64),
        torch.tensor([place], dtype=torch.float64),
        torch.tensor([flip], dtype=torch.float64),
        torch.tensor([numbers]),
        torch.tensor([strengths], dtype=torch.float64),
    )


def smooth_images(count, height, width, seed=0):
    """Without frequencies that make two ways to interpolate differ."""
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return (F.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1) * 255).round().to(torch.uint8)


def inner(images, share=0.5):
    """The middle, whose source is inside of the image whatever the operation."""
    cut = int(images.shape[-1] * (1 - share) / 2)
    return images[..., cut:-cut, cut:-cut]


def view_of(images, size, **draws):
    return apply_views(images, None, draws_of(**draws), ViewSettings(size))[0]


@pytest.mark.parametrize("strength", [0.5, -1.0])
def test_one_operation_is_that_of_torchvision(strength):
    images = smooth_images(1, 66, 66)
    floats = images / 255
    slant = math.degrees(math.atan(0.3 * strength))
    pixels = 150 / 331 * 66 * strength

    def affine(translate=(0.0, 0.0), shear=(0.0, 0.0)):
        return tv.affine(floats, 0.0, list(translate), 1.0, list(shear), interpolation=BILINEAR)

    for number, expected in (
        (IDENTITY, floats),
        (ROTATE, tv.rotate(floats, 30 * strength, BILINEAR)),
        (SHEAR_X, affine(shear=(slant, 0.0))),
        (SHEAR_Y, affine(shear=(0.0, slant))),
    ):
        ours = view_of(images, 66, operations=((number, strength),))
        torch.testing.assert_close(inner(ours), inner(expected), rtol=0, atol=1e-4)
    whole = round(pixels) / pixels * strength  # torchvision moves by whole pixels
    for number, translate in ((TRANSLATE_X, (round(pixels), 0)), (TRANSLATE_Y, (0, round(pixels)))):
        ours = view_of(images, 66, operations=((number, whole),))
        torch.testing.assert_close(inner(ours, 0.05), inner(affine(translate), 0.05), rtol=0, atol=1e-4)


def test_crops_and_flips_on_whole_pixels_are_exact():
    images = torch.randint(0, 256, (1, 3, 40, 40), dtype=torch.uint8)
    crop = view_of(images, 20, area=0.25, place=(0.3, 0.75))  # of 20 x 20, with 20 pixels of room: 6 and 15
    torch.testing.assert_close(crop, images[..., 15:35, 6:26] / 255, rtol=0, atol=1e-5)
    for flip, dims in (((-1, 1), [3]), ((1, -1), [2]), ((-1, -1), [2, 3])):
        flipped = view_of(images, 20, area=0.25, place=(0.3, 0.75), flip=flip)
        torch.testing.assert_close(flipped, crop.flip(dims), rtol=0, atol=1e-5)


def test_the_ratio_is_width_over_height_in_pixels():
    images = smooth_images(1, 48, 96)
    crop = view_of(images, 16, area=0.25, ratio=0.5)  # 24 x 48 of 96 x 48: as high as the image
    expected = tv.resize(images[..., 36:60] / 255, [16, 16], antialias=False)
    torch.testing.assert_close(crop, expected, rtol=0, atol=0.05)
    (matrix,) = source_matrices(draws_of(area=0.25, ratio=0.5), 48, 96)
    torch.testing.assert_close(matrix, torch.tensor([[0.25, 0, 0], [0, 1, 0]]).double())
    (matrix,) = source_matrices(draws_of(area=0.5, ratio=0.5), 48, 96)  # higher than the image: ends at its edge
    assert matrix[1, 1] == 1


def test_the_order_is_crop_flips_and_then_the_geometry_as_drawn():
    images = smooth_images(1, 64, 64)
    operations = ((ROTATE, 0.8), (SHEAR_X, 0.9))
    step = view_of(images, 64, area=0.5, flip=(-1, 1))
    step = tv.rotate(step, 24.0, BILINEAR)
    step = tv.affine(step, 0.0, [0, 0], 1.0, [math.degrees(math.atan(0.27)), 0.0], interpolation=BILINEAR)
    ours = view_of(images, 64, area=0.5, flip=(-1, 1), operations=operations)
    torch.testing.assert_close(inner(ours), inner(step), rtol=0, atol=0.02)
    other = view_of(images, 64, area=0.5, flip=(-1, 1), operations=operations[::-1])
    assert (inner(other) - inner(step)).abs().max() > 0.05


def test_the_map_is_what_kornia_warps_with_zeros_outside():
    size, height, width = 33, 50, 41
    chosen = ViewSettings(size, operations=2, magnitude=30)
    draws = draw_views(16, chosen, torch.Generator().manual_seed(3))
    maps = torch.rand(16, 1, height, width)
    images = smooth_images(16, height, width)
    _, ours = apply_views(images, maps, draws, chosen)
    matrices = torch.eye(3, dtype=torch.float64).repeat(16, 1, 1)
    matrices[:, :2] = source_matrices(draws, height, width)

    def pixels_of(height, width):  # from -1 to 1 at the edges, to pixels whose middles are whole numbers
        return torch.tensor([[width / 2, 0, (width - 1) / 2], [0, height / 2, (height - 1) / 2], [0, 0, 1]]).double()

    to_view = pixels_of(size, size) @ matrices.inverse() @ pixels_of(height, width).inverse()
    expected = warp_affine(maps.double(), to_view[:, :2], (size, size), align_corners=False)
    torch.testing.assert_close(ours, expected.float(), rtol=0, atol=1e-4)
    assert (ours == 0).any()


def test_outside_of_the_image_it_is_reflected_and_the_map_is_zero():
    images = smooth_images(1, 64, 64)
    draws = draws_of(operations=((TRANSLATE_X, 16 / 64 * 331 / 150),))
    view, view_map = apply_views(images, torch.ones(1, 1, 64, 64), draws, ViewSettings(64))
    torch.testing.assert_close(view[..., 16:], images[..., :48] / 255, rtol=0, atol=1e-4)
    torch.testing.assert_close(view[..., :16], images[..., :16].flip(3) / 255, rtol=0, atol=1e-4)
    assert (view_map[..., :16] < 1e-4).all()
    assert (view_map[..., 16:] > 1 - 1e-4).all()


def test_a_lesion_and_its_mask_stay_together(device):
    data = synthetic_dermoscopy([6, 6], 96, seed=0)
    painted = torch.where(
        data.masks, torch.tensor([255, 0, 0]).view(1, 3, 1, 1), torch.tensor([0, 255, 255]).view(1, 3, 1, 1)
    )
    chosen = ViewSettings(64, operations=2, magnitude=15)
    for seed in range(4):
        draws = draw_views(12, chosen, torch.Generator().manual_seed(seed))
        draws.operation[draws.operation >= FIRST_COLOUR] = IDENTITY
        images = painted.to(torch.uint8).to(device)
        masks = data.masks.float().to(device)
        views, maps = apply_views(images, masks, draws, chosen)
        _, inside = apply_views(images, torch.ones_like(masks), draws, chosen)
        red, marked, inside = views[:, :1] > views[:, 1:2], maps > 0.5, inside > 0.999
        together = (red & marked & inside).sum() / ((red | marked) & inside).sum()
        assert together > 0.99
        assert (marked & inside).sum() > 0


def test_a_large_crop_is_halved_before_it_is_sampled():
    stripes = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
    stripes[..., ::4] = 255  # bilinear sampling at every fourth pixel would see one shade of four, or none
    view = view_of(stripes, 32)
    torch.testing.assert_close(view, torch.full((1, 3, 32, 32), 0.25), rtol=0, atol=1e-4)
    noise = torch.randint(0, 256, (1, 3, 256, 256), dtype=torch.uint8)
    careful = tv.resize(noise / 255, [32, 32], antialias=True)
    ours = (view_of(noise, 32) - careful).square().mean()
    careless = (tv.resize(noise / 255, [32, 32], antialias=False) - careful).square().mean()
    assert ours < 0.05 * careless
    odd = view_of(torch.full((1, 3, 131, 67), 99, dtype=torch.uint8), 16)
    torch.testing.assert_close(odd, torch.full((1, 3, 16, 16), 99 / 255))


def test_how_often_is_that_of_a_loop():
    draws = draw_views(50, ViewSettings(16, crop_scale=(0.01, 1.0), operations=2, magnitude=30))
    matrices = source_matrices(draws, 100, 130)
    for matrix, times in zip(matrices.tolist(), halvings_of(matrices, 100, 130, 16).tolist(), strict=True):
        (a, b, _), (c, d, _) = matrix
        step, expected = math.sqrt(abs(a * d - b * c) * 100 * 130) / 16, 0
        while step >= 2:
            step, expected = step / 2, expected + 1
        assert times == expected


COLOUR_JUDGES = {
    "brightness": lambda images, s: tv.adjust_brightness(images, 1 + 0.9 * s),
    "color": lambda images, s: tv.adjust_saturation(images, 1 + 0.9 * s),
    "contrast": lambda images, s: tv.adjust_contrast(images, 1 + 0.9 * s),
    "sharpened": lambda images, s: tv.adjust_sharpness(images, 1 + 0.9 * s),
    "posterized": lambda images, s: tv.posterize(images, 8 - round(4 * abs(s))),
    "solarized": lambda images, s: tv.solarize(images, 1 - abs(s)),
    "autocontrast": lambda images, _: tv.autocontrast(images),
    "equalized": lambda images, _: tv.equalize(images),
}


@pytest.mark.parametrize("colour", COLOURS, ids=lambda colour: colour.__name__)
@pytest.mark.parametrize("strength", [0.3, -0.7, 1.0])
def test_colours_are_those_of_torchvision(colour, strength, device):
    images = torch.rand(3, 3, 20, 17, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1
    ours = colour(images.to(device), torch.full((3,), strength, device=device)).cpu()
    expected = COLOUR_JUDGES[colour.__name__](images, strength)
    # Equalised and posterised images have 256 shades; a value between two of them may go either way.
    most = 0.05 if colour.__name__ == "equalized" else 17 / 255 if colour.__name__ == "posterized" else 1e-4
    assert (ours - expected).abs().max() < most
    assert (ours - expected).abs().mean() < 2 / 255


def test_a_flat_channel_stays_in_autocontrast():
    flat = torch.full((1, 3, 4, 4), 0.4)
    assert torch.equal(autocontrast(flat, torch.ones(1)), flat)


def test_colours_come_in_the_order_drawn_to_the_images_drawn():
    images = torch.rand(9, 3, 12, 12)
    operation = torch.randint(NUM_OPERATIONS, (9, 3), generator=torch.Generator().manual_seed(1))
    operation[:2] = torch.tensor([[FIRST_COLOUR, FIRST_COLOUR + 5, IDENTITY], [FIRST_COLOUR + 5, FIRST_COLOUR, ROTATE]])
    strength = torch.linspace(-1, 1, 27).view(9, 3)
    changed = images.clone()
    change_colours(changed, operation, strength)
    for row in range(9):
        expected = images[row : row + 1]
        for number, strong in zip(operation[row].tolist(), strength[row], strict=True):
            if number >= FIRST_COLOUR:
                expected = COLOURS[number - FIRST_COLOUR](expected, strong[None])
        torch.testing.assert_close(changed[row : row + 1], expected, rtol=0, atol=1e-6)


def test_colours_come_after_the_geometry():
    images = smooth_images(8, 24, 24)
    chosen = ViewSettings(24, operations=2, magnitude=20)
    draws = draw_views(8, chosen, torch.Generator().manual_seed(0))
    plain = draws._replace(operation=draws.operation.where(draws.operation < FIRST_COLOUR, IDENTITY))
    expected, _ = apply_views(images, None, plain, chosen)
    change_colours(expected, draws.operation, draws.strength)
    views, _ = apply_views(images, None, draws, chosen)
    assert torch.equal(views, expected)
    assert (draws.operation >= FIRST_COLOUR).any()


@settings(max_examples=20)
@given(
    seed=st.integers(0, 1000),
    rows=st.lists(st.integers(0, 7), max_size=8, unique=True),
    size=st.integers(3, 20),
    operations=st.integers(0, 3),
)
def test_views_of_some_rows_are_those_rows_of_all_views(seed, rows, size, operations):
    chosen = ViewSettings(size, crop_scale=(0.05, 1.0), operations=operations, magnitude=20)
    draws = draw_views(8, chosen, torch.Generator().manual_seed(seed))
    images, maps = smooth_images(8, 37, 51, seed), torch.rand(8, 1, 37, 51)
    views, view_maps = apply_views(images, maps, draws, chosen)
    index = torch.tensor(rows, dtype=torch.int64)
    some, some_maps = apply_views(images[index], maps[index], draws.of(index), chosen)
    assert torch.equal(some, views[index])
    assert torch.equal(some_maps, view_maps[index])
    assert views.shape == (8, 3, size, size)
    assert view_maps.shape == (8, 1, size, size)
    for values in (views, view_maps):
        assert values.dtype == torch.float32
        assert ((values >= 0) & (values <= 1)).all()


def test_the_draws_follow_from_the_generator_and_fill_their_ranges():
    chosen = ViewSettings(8, crop_scale=(0.3, 0.9), crop_ratio=(0.5, 3.0), flip=0.25, operations=2, magnitude=12)
    draws, again, other = (draw_views(4000, chosen, torch.Generator().manual_seed(seed)) for seed in (5, 5, 6))
    for drawn, same, different in zip(draws, again, other, strict=True):
        assert torch.equal(drawn, same)
        assert not torch.equal(drawn, different)
        assert len(drawn) == 4000
        assert drawn.device.type == "cpu"
    for drawn, low, high in ((draws.area, 0.3, 0.9), (draws.log_ratio.exp(), 0.5, 3.0), (draws.place, 0, 1)):
        assert low <= drawn.min() < low + 0.01
        assert high - 0.01 < drawn.max() <= high
    assert draws.log_ratio.mean().sub(math.log(1.5) / 2).abs() < 0.03
    assert ((draws.flip == -1).double().mean(0) - 0.25).abs().max() < 0.03
    assert (draws.flip[:, 0] != draws.flip[:, 1]).any()
    assert set(draws.strength.flatten().tolist()) == {0.4, -0.4}
    shares = draws.operation.flatten().bincount() / 8000
    assert len(shares) == NUM_OPERATIONS == 14
    assert (shares - 1 / 14).abs().max() < 0.015


def test_arguments_stay_and_maps_may_be_missing():
    images, maps = smooth_images(4, 20, 20), torch.rand(4, 1, 20, 20)
    chosen = ViewSettings(12, operations=2, magnitude=20)
    draws = draw_views(4, chosen)
    before = [images.clone(), maps.clone(), *(drawn.clone() for drawn in draws)]
    views, view_maps = apply_views(images, maps, draws, chosen)
    assert all(torch.equal(a, b) for a, b in zip(before, [images, maps, *draws], strict=True))
    alone, nothing = apply_views(images, None, draws, chosen)
    assert nothing is None
    assert torch.equal(alone, views)
    half, _ = apply_views(images, maps.bfloat16(), draws, chosen)
    assert torch.equal(half, views)
    assert view_maps is not None


def test_nobody_waits_for_the_device():
    # Meta tensors have no values: whoever looks at one raises.
    images, maps = (
        torch.empty(40, 3, 50, 60, dtype=torch.uint8, device="meta"),
        torch.empty(40, 1, 50, 60, device="meta"),
    )
    chosen = ViewSettings(16, operations=2, magnitude=20)
    draws = draw_views(40, chosen, torch.Generator().manual_seed(0))
    assert set(range(NUM_OPERATIONS)) <= set(draws.operation.flatten().tolist())
    views, view_maps = apply_views(images, maps, draws, chosen)
    assert views.device.type == view_maps.device.type == "meta"
    assert (views.shape, view_maps.shape) == ((40, 3, 16, 16), (40, 1, 16, 16))


def test_bad_input():
    for bad in (
        {"size": 0},
        {"crop_scale": (0.0, 1.0)},
        {"crop_scale": (0.5, 1.5)},
        {"crop_ratio": (2.0, 1.0)},
        {"flip": 1.5},
        {"operations": -1},
        {"magnitude": 31},
    ):
        with pytest.raises(ValueError, match=f"{next(iter(bad))}: expected"):
            ViewSettings(**bad)
    images, chosen = smooth_images(2, 8, 8), ViewSettings(8)
    draws = draw_views(2, chosen)
    for bad_images in (images.float(), images[0], images[:, :1]):
        with pytest.raises(ValueError, match="images: expected uint8"):
            apply_views(bad_images, None, draws, chosen)
    with pytest.raises(ValueError, match="draws: expected those of 1 images, got 2"):
        apply_views(images[:1], None, draws, chosen)
    for bad_maps in (images[:, :1], torch.rand(2, 1, 8, 9), torch.rand(1, 1, 8, 8)):
        with pytest.raises(ValueError, match="maps: expected a floating-point map"):
            apply_views(images, bad_maps, draws, chosen)
