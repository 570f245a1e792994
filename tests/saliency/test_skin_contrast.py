"""SkinContrastSaliency: its parts against loops, and what it makes of images with known lesions."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from longtail_mix.data import isic2018_masks, read_isic2018, stratified_split, synthetic_dermoscopy
from longtail_mix.saliency import _skin_model as parts
from longtail_mix.saliency import skin_contrast
from longtail_mix.saliency.skin_contrast import SkinContrastSaliency, _ellipse, _surprise, skin_contrast_saliency

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
SKIN, PIGMENT = (222, 170, 150), (110, 70, 60)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def disc(size, y, x, radius):
    at = torch.arange(size) + 0.5
    return (at.view(-1, 1) - y) ** 2 + (at - x) ** 2 <= radius**2


def painted(mask, seed=0, skin=SKIN, pigment=PIGMENT):
    """Skin with a little noise, pigment in the mask: [1,3,H,W] uint8."""
    colours = torch.where(mask, torch.tensor(pigment).view(3, 1, 1), torch.tensor(skin).view(3, 1, 1)).float()
    noise = 6 * torch.randn(colours.shape, generator=generator(seed))
    return (colours + noise).round().clamp(0, 255).to(torch.uint8).unsqueeze(0)


def auroc(saliency, mask):
    """Share of pairs, a lesion pixel and a skin pixel, in which the lesion pixel has more; half for ties."""
    skin = saliency[~mask].sort().values
    lesion = saliency[mask].contiguous()
    below = torch.searchsorted(skin, lesion, side="left") + torch.searchsorted(skin, lesion, side="right")
    return (below.double().mean() / (2 * len(skin))).item()


# --- the parts ---


def test_hairs_are_closed_as_kornia_closes_them():
    morphology = pytest.importorskip("kornia.morphology")
    images = torch.rand(2, 3, 17, 23, generator=generator())
    torch.testing.assert_close(
        parts.close_hairs(images, 2), morphology.closing(images, torch.ones(5, 5)), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("cells", [0, 1, 3])
def test_the_widest_equals_a_pooled_maximum(cells):
    maps = torch.randn(2, 3, 5, 8, generator=generator())
    assert torch.equal(parts.widest(maps, cells), F.max_pool2d(maps, 2 * cells + 1, 1, cells))
    framed = F.pad(maps, (cells,) * 4, value=0.5)
    assert torch.equal(parts.widest(maps, cells, beyond=0.5), F.max_pool2d(framed, 2 * cells + 1, 1))


@pytest.mark.parametrize("count", [2, 3, 30])
def test_the_threshold_equals_a_loop_over_all_cuts(count):
    rows = torch.randn(4, 1, count, generator=generator(), dtype=torch.float64)
    threshold, spread = parts.otsu_threshold(rows)
    for row, found, half in zip(rows.squeeze(1).tolist(), threshold.flatten(), spread.flatten(), strict=True):
        ordered = sorted(row)
        cuts = []
        for i in range(1, count):
            low, high = sum(ordered[:i]) / i, sum(ordered[i:]) / (count - i)
            cuts.append((i * (count - i) * (high - low) ** 2, (low + high) / 2, (high - low) / 2))
        _, by_hand, half_by_hand = max(cuts)
        assert found.item() == pytest.approx(by_hand, rel=1e-12)
        assert half.item() == pytest.approx(half_by_hand, rel=1e-12)


def test_a_surprise_equals_a_loop_over_points():
    points = torch.randn(2, 3, 9, generator=generator(), dtype=torch.float64)
    weights = torch.rand(2, 1, 9, generator=generator(1), dtype=torch.float64)
    for around_mean in (True, False):
        found = _surprise(points, weights, 0.5, around_mean)
        for b in range(2):
            w = (weights[b, 0] + 1e-6) / (weights[b, 0] + 1e-6).sum()
            middle = sum(w[n] * points[b, :, n] for n in range(9)) if around_mean else torch.zeros(3)
            spread = sum(w[n] * torch.outer(points[b, :, n] - middle, points[b, :, n] - middle) for n in range(9))
            gauss = torch.distributions.MultivariateNormal(
                middle.double(), spread + 0.5 * torch.eye(3, dtype=torch.float64)
            )
            by_hand = -gauss.log_prob(points[b].T) - 1.5 * math.log(2 * math.pi)
            torch.testing.assert_close(found[b, 0], by_hand, rtol=1e-10, atol=1e-10)


def test_the_ellipse_equals_a_loop_over_cells():
    xy = parts.grid_coordinates(7, torch.zeros((), dtype=torch.float64))
    assert xy[:, 0].tolist() == xy[:, -1].neg().tolist() == [-6 / 7, -6 / 7]
    lesion = torch.rand(1, 1, 49, generator=generator(), dtype=torch.float64)
    w = (lesion[0, 0] + 1e-6) / (lesion[0, 0] + 1e-6).sum()
    middle = sum(w[n] * xy[:, n] for n in range(49))
    spread = sum(w[n] * torch.outer(xy[:, n] - middle, xy[:, n] - middle) for n in range(49))
    inverse = torch.linalg.inv(0.85 * spread + 0.015 * torch.eye(2, dtype=torch.float64))
    by_hand = [(xy[:, n] - middle) @ inverse @ (xy[:, n] - middle) / 2 for n in range(49)]
    torch.testing.assert_close(_ellipse(xy, lesion)[0, 0], torch.stack(by_hand), rtol=1e-10, atol=1e-10)


def test_the_skin_is_a_quadratic_surface_and_ignores_a_lesion_in_the_ring():
    size = 56
    xy = parts.grid_coordinates(size, torch.zeros(()))
    x, y = xy
    truth = torch.stack([70 + 4 * x - 3 * y * y, 15 + 2 * x * y, 18 - 2 * y]).unsqueeze(0)
    ring = parts.border_ring(torch.ones(1, 1, size, size))
    lesion = (ring.flatten() > 0) & (x > 0.5) & (y.abs() < 0.6)
    colours = torch.where(lesion, torch.tensor([30.0, 10.0, 10.0]).view(3, 1), truth)
    assert lesion.sum() > 0.14 * ring.sum()
    error = (parts.skin_colour(colours, ring.flatten(2), xy) - truth).norm(dim=1)
    assert error.max() < 1.0


def test_the_ring_follows_the_edge_and_what_is_invalid():
    valid = torch.ones(1, 1, 20, 20)
    valid[..., :6] = 0
    ring = parts.border_ring(valid)
    by_hand = torch.tensor(
        [[float(x >= 6 and (x <= 9 or x >= 16 or y <= 3 or y >= 16)) for x in range(20)] for y in range(20)]
    )
    assert torch.equal(ring[0, 0], by_hand)


def test_dark_corners_are_what_is_dark_colourless_and_joined_to_a_corner():
    lab = torch.zeros(1, 3, 56, 56)
    lab[:, 0] = 70.0
    lab[:, 0, :10, :10] = 10.0  # a dark corner
    lab[:, 0, 30:36, 30:36] = 10.0  # as dark, in the middle
    lab[:, 0, :8, 20:30] = 10.0  # as dark, cut by a side
    lab[:, 0, 50:, 50:] = 25.0  # dark at a corner, but brown
    lab[:, 1:, 50:, 50:] = 20.0
    expected = torch.ones(56, 56)
    expected[:12, :12] = 0  # with the rim
    assert torch.equal(parts.outside_corners(lab)[0, 0], expected)


# --- the whole ---


@pytest.mark.parametrize(("y", "x", "radius"), [(56, 56, 25), (30, 80, 14), (0, 60, 40), (112, 112, 50)])
def test_a_disc_is_found_wherever_it_lies(y, x, radius):
    mask = disc(112, y, x, radius)
    saliency = skin_contrast_saliency(painted(mask))[0, 0]
    assert auroc(saliency, mask) > 0.995
    assert saliency[mask].mean() > 0.9
    # Outlines drawn by people lie outside the steepest step of brightness, and so does the map's.
    assert (saliency > 0.5).sum() < 1.7 * mask.sum()
    assert saliency[~mask].mean() < 0.15


def test_hairs_shading_and_dark_corners_change_little():
    mask = disc(224, 100, 130, 45)
    image = painted(mask).float()
    at = (torch.arange(224) + 0.5) / 112 - 1
    radius = at.view(-1, 1) ** 2 + at**2
    image = image * (1.05 - 0.2 * radius + 0.1 * at)  # a vignette and light from one side
    for row in (20, 60, 111, 160):
        image[..., row : row + 2, :] = 30.0  # hairs
    image[..., radius.sqrt() > 1.2] = 8.0  # dark corners
    saliency = skin_contrast_saliency(image.round().clamp(0, 255).to(torch.uint8))[0, 0]
    assert auroc(saliency, mask) > 0.99
    assert saliency[radius.sqrt() > 1.25].max() == 0
    assert saliency[~mask].mean() < 0.1


def test_a_black_lesion_cut_by_a_side_is_no_dark_corner():
    mask = disc(112, 112, 56, 40)
    saliency = skin_contrast_saliency(painted(mask, pigment=(30, 28, 30)))[0, 0]
    assert auroc(saliency, mask) > 0.99
    assert saliency[mask].mean() > 0.9


def test_made_up_dermoscopy():
    made = synthetic_dermoscopy([30, 20, 10], size=64, seed=0)
    saliency = skin_contrast_saliency(made.images)
    found = [auroc(s, m) for s, m in zip(saliency, made.masks, strict=True)]
    assert np.mean(found) > 0.97
    assert np.quantile(found, 0.1) > 0.9


def test_real_images(isic2018_root):
    dataset = read_isic2018(isic2018_root)
    held_out = stratified_split(dataset.labels, dataset.lesions, test_fraction=0.5).test[::100]
    masks = isic2018_masks(dataset)
    found = []
    for row in held_out.tolist():
        image = np.asarray(Image.open(dataset.paths[row]).convert("RGB").resize((224, 224)))
        mask = torch.from_numpy(np.asarray(Image.open(masks[row]).convert("L").resize((224, 224))) > 127)
        if mask.any() and not mask.all():
            saliency = skin_contrast_saliency(torch.tensor(image).permute(2, 0, 1)[None], center_prior=1.0)
            found.append(auroc(saliency[0, 0], mask))
    assert len(found) >= 45
    assert np.mean(found) > 0.975
    assert np.quantile(found, 0.1) > 0.94


def test_the_centre_prior_prefers_the_middle():
    mask = disc(112, 56, 56, 14)
    spots = mask | disc(112, 56, 98, 10)
    image = painted(spots)
    without, with_prior = (skin_contrast_saliency(image, center_prior=p)[0, 0] for p in (0.0, 4.0))
    assert with_prior[56, 98] < without[56, 98]
    assert with_prior[0, 0] < without[0, 0]
    assert with_prior[56, 56] > 0.99


def test_what_is_darker_than_skin_goes_before_what_is_brighter():
    darker, brighter = disc(112, 56, 30, 12), disc(112, 56, 82, 12)
    colours = torch.full((1, 3, 112, 112), 150, dtype=torch.uint8)
    colours[..., darker] = 110  # both are 15 in L* from the skin
    colours[..., brighter] = 192
    saliency = skin_contrast_saliency(colours)[0, 0]
    assert saliency[darker].mean() > saliency[brighter].mean() + 0.003


def test_a_hair_on_bare_skin_is_not_seen():
    image = painted(disc(224, 130, 100, 40))
    hairy = image.clone()
    hairy[..., 40:43, :] = 60
    torch.testing.assert_close(skin_contrast_saliency(hairy), skin_contrast_saliency(image), rtol=0, atol=0.1)


def test_a_margin_widens_the_lesion_on_each_side():
    image = painted(disc(224, 112, 112, 50))
    plain, wide = (skin_contrast_saliency(image, margin=m)[0, 0] for m in (0.0, 2 / 56))
    assert (wide >= plain - 1e-6).all()
    for line in ((112, slice(None)), (slice(None), 112)):
        wider = (wide[line] > 0.5).sum() - (plain[line] > 0.5).sum()
        assert 14 <= wider <= 18  # 2 of 56 cells on two sides, 4 pixels each


# --- invariants ---


@given(height=st.integers(1, 70), width=st.integers(1, 70), batch=st.integers(0, 3), seed=st.integers(0, 2**31))
def test_invariants(height, width, batch, seed):
    images = torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8, generator=generator(seed))
    before = images.clone()
    maps = skin_contrast_saliency(images)
    assert maps.shape == (batch, 1, height, width)
    assert maps.dtype == torch.float32
    assert ((maps >= 0) & (maps <= 1)).all()
    assert torch.equal(images, before)


def lesions(count=4, size=96):
    return torch.cat([painted(disc(size, 30 + 8 * i, 60 - 7 * i, 15 + 5 * i), seed=i) for i in range(count)])


# Sums in another order differ in their last bits, and three rounds of the model magnify that; seen: 2e-5.
LAST_BITS = {"rtol": 0, "atol": 2e-4}


@pytest.mark.parametrize("axes", [[-1], [-2], [-1, -2]])
def test_flips_flip_the_map(axes):
    images = lesions()
    flipped = skin_contrast_saliency(images.flip(axes)).flip(axes)
    torch.testing.assert_close(flipped, skin_contrast_saliency(images), **LAST_BITS)


def test_a_image_does_not_depend_on_its_batch(device):
    images = lesions().to(device)
    together = skin_contrast_saliency(images)
    alone = torch.cat([skin_contrast_saliency(image[None]) for image in images])
    torch.testing.assert_close(together, alone, **LAST_BITS)


@pytest.mark.parametrize("value", [0, 7, 130, 255])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (50, 64)])
def test_flat_images_give_zeros(value, size, device):
    flat = torch.full((2, 3, *size), value, dtype=torch.uint8, device=device)
    assert torch.equal(skin_contrast_saliency(flat), torch.zeros(2, 1, *size, device=device))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_float_and_normalised_images_equal_their_bytes(dtype, device):
    images = lesions().to(device)
    expected = skin_contrast_saliency(images, center_prior=0.5, margin=0.05)
    unit = images.to(dtype) / 255
    assert torch.equal(skin_contrast_saliency(unit, center_prior=0.5, margin=0.05), expected)
    mean, std = (torch.tensor(v, dtype=dtype, device=device).view(3, 1, 1) for v in IMAGENET)
    module = SkinContrastSaliency(*IMAGENET, center_prior=0.5, margin=0.05)
    assert torch.equal(module((unit - mean) / std), expected)


def test_memory_format_strides_grad_and_autocast_do_not_matter(device):
    images = lesions().to(device).float() / 255
    expected = skin_contrast_saliency(images)
    channels_last = skin_contrast_saliency(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(channels_last, expected, **LAST_BITS)
    wide = torch.zeros(*images.shape[:3], 2 * images.shape[3], device=device)
    wide[..., ::2] = images
    torch.testing.assert_close(skin_contrast_saliency(wide[..., ::2]), expected, **LAST_BITS)
    assert not skin_contrast_saliency(images.clone().requires_grad_()).requires_grad
    with torch.autocast(device.type, torch.bfloat16):
        assert torch.equal(skin_contrast_saliency(images), expected)


@pytest.mark.parametrize("size", [(96, 96), (40, 130)])
def test_compiles_as_one_graph(size, device):
    images = lesions()[:2, :, : size[0], : size[1]].to(device)
    compiled = torch.compile(SkinContrastSaliency(center_prior=0.5, margin=0.04), fullgraph=True, backend="aot_eager")
    expected = skin_contrast_saliency(images, center_prior=0.5, margin=0.04)
    torch.testing.assert_close(compiled(images), expected, **LAST_BITS)


# --- what goes wrong ---


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_bad_pixels_raise_where_values_can_be_read_and_show_elsewhere(bad):
    images = lesions(2).float() / 255
    good = skin_contrast_saliency(images[:1])
    images[1, 0, 3, 3] = bad
    with pytest.raises(ValueError, match="NaN or infinity"):
        skin_contrast_saliency(images)
    maps = torch.compile(skin_contrast_saliency, fullgraph=True, backend="aot_eager")(images)
    assert maps[1].isnan().all()
    torch.testing.assert_close(maps[:1], good, **LAST_BITS)


BYTES = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("images", "options", "error", "message"),
    [
        ([1], {}, TypeError, r"images: expected a torch.Tensor, got list"),
        (BYTES.int(), {}, TypeError, r"uint8 or floating-point images, got torch.int32"),
        (BYTES[0], {}, ValueError, r"expected RGB images \[B, 3, H, W\], got shape \[3, 8, 8\]"),
        (BYTES[..., :0], {}, ValueError, r"at least one pixel, got shape \[1, 3, 8, 0\]"),
        (BYTES.float() + 3, {}, ValueError, r"values in \[0, 1\]"),
        (BYTES.float(), {"mean": IMAGENET[0]}, ValueError, r"expected both or neither"),
        (BYTES, {"center_prior": -0.1}, ValueError, r"center_prior: expected a finite number of at least 0, got -0.1"),
        (BYTES, {"center_prior": math.inf}, ValueError, r"center_prior: expected a finite number .* got inf"),
        (BYTES, {"center_prior": math.nan}, ValueError, r"center_prior: expected a finite number .* got nan"),
        (BYTES, {"margin": -0.01}, ValueError, r"margin: expected a number from 0 to 0.25, got -0.01"),
        (BYTES, {"margin": 0.3}, ValueError, r"margin: expected a number from 0 to 0.25, got 0.3"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(images, options, error, message):
    with pytest.raises(error, match=message):
        skin_contrast_saliency(images, **options)


def test_the_module_checks_its_options_at_once_and_shows_them():
    with pytest.raises(ValueError, match="center_prior"):
        SkinContrastSaliency(center_prior=-1.0)
    with pytest.raises(ValueError, match="expected both or neither"):
        SkinContrastSaliency(mean=[0.5, 0.5, 0.5])
    expected = "SkinContrastSaliency(mean=None, std=None, center_prior=1.0, margin=0.0)"
    assert repr(SkinContrastSaliency(center_prior=1.0)) == expected


def test_the_size_of_a_chunk_does_not_matter(monkeypatch):
    images = torch.randint(0, 256, (7, 3, 40, 48), dtype=torch.uint8)
    images[2, :, :20, :20] = 0  # a dark corner, which the others do not have
    expected = skin_contrast_saliency(images)
    for pixels in (1, 3 * skin_contrast._LEAST, 2**30):
        monkeypatch.setattr(skin_contrast, "_CHUNK", pixels)
        assert torch.equal(skin_contrast_saliency(images), expected)
