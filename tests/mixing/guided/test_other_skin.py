"""The lesion alone on other skin, and filling in, against loops over pixels."""

import pytest
import torch
from torch.autograd import gradcheck

from longtail_mix import InBatch, OtherSkin, ShiftedPairing, SkinContrastSaliency
from longtail_mix.functional import fill_in

LABELS = torch.tensor([0, 2, 1])


def pair(dtype=torch.float64):
    images = torch.rand(2, 3, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    maps = torch.zeros(2, 3, 1, 8, 8, dtype=torch.float64)
    maps[0, :, :, 2:5, 2:6], maps[0, :, :, 1, 2:6] = 1, 0.25
    maps[1, :, :, 4:7, 3:5] = 1
    return images[0].to(dtype), images[1].to(dtype), maps[0].to(dtype), maps[1].to(dtype)


def by_hand(images, known):
    """Pull and push, a pixel at a time."""
    height, width = images.shape[-2:]
    if min(height, width) == 1:
        return images * known
    coarse = torch.zeros(3, -(-height // 2), -(-width // 2), dtype=images.dtype)
    seen = torch.zeros(1, *coarse.shape[1:], dtype=images.dtype)
    for y in range(coarse.shape[1]):
        for x in range(coarse.shape[2]):
            cell = (slice(None), slice(2 * y, 2 * y + 2), slice(2 * x, 2 * x + 2))
            weight = known[cell].sum()
            if weight > 0:
                coarse[:, y, x], seen[0, y, x] = (images[cell] * known[cell]).sum((1, 2)) / weight, 1
    coarse = by_hand(coarse, seen)
    out = torch.zeros_like(images)
    for y in range(height):
        for x in range(width):
            v, u = (
                max((p + 0.5) * c / s - 0.5, 0)
                for p, c, s in ((y, coarse.shape[1], height), (x, coarse.shape[2], width))
            )
            y0, x0 = int(v), int(u)
            y1, x1 = min(y0 + 1, coarse.shape[1] - 1), min(x0 + 1, coarse.shape[2] - 1)
            top = (1 - (u - x0)) * coarse[:, y0, x0] + (u - x0) * coarse[:, y0, x1]
            low = (1 - (u - x0)) * coarse[:, y1, x0] + (u - x0) * coarse[:, y1, x1]
            guess = (1 - (v - y0)) * top + (v - y0) * low
            out[:, y, x] = known[0, y, x] * images[:, y, x] + (1 - known[0, y, x]) * guess
    return out


@pytest.mark.parametrize("size", [(8, 8), (5, 7), (1, 6), (9, 2)])
def test_filling_in_equals_a_loop_over_pixels(size):
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(2, 3, *size, generator=generator, dtype=torch.float64)
    known = torch.rand(2, 1, *size, generator=generator, dtype=torch.float64)
    known = torch.where(known < 0.5, 0.0, torch.where(known < 0.7, known, 1.0))
    expected = torch.stack([by_hand(image, share) for image, share in zip(images, known, strict=True)])
    assert torch.allclose(fill_in(images, known), expected, atol=1e-12)


@pytest.mark.parametrize("size", [(16, 16), (13, 22), (1, 1), (1, 9)])
def test_what_is_known_stays_and_a_hole_gets_a_mean_of_what_is_known(size):
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    known = torch.ones(2, 1, *size)
    assert torch.equal(fill_in(images, known), images)
    known[..., size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = 0
    out = fill_in(images, known)
    kept = known.expand_as(images) == 1
    assert torch.equal(out[kept], images[kept])
    assert (out >= images.amin((2, 3), keepdim=True) - 1e-6).all() or not kept.all()
    flat = torch.full((1, 3, *size), 0.3)
    assert torch.allclose(fill_in(flat * known[:1], known[:1]), flat * (known[:1].any()), atol=1e-6)


def test_a_gradient_is_continued_through_the_hole():
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    known = torch.ones(1, 1, 32, 32)
    known[..., 12:20, 12:20] = 0
    assert (fill_in(ramp, known) - ramp).abs().max() < 0.12


def test_gradients_reach_images_and_shares():
    images, _, keep, _ = pair()
    known = (1 - keep).clamp(0.1, 0.9)
    assert gradcheck(fill_in, (images[:1].requires_grad_(), known[:1].requires_grad_()))


@pytest.mark.parametrize("keep_tone", [False, True])
def test_the_mix_equals_its_docstring(keep_tone):
    first, second, keep, theirs = pair()
    mixed, target = OtherSkin(keep_tone)(first, LABELS, second, LABELS.flip(0), keep, theirs)
    skin = fill_in(second, 1 - theirs)
    for b in range(3):
        if keep_tone:
            for c in range(3):
                own = (first[b, c] * (1 - keep[b, 0])).sum() / (1 - keep[b, 0]).sum()
                other = (second[b, c] * (1 - theirs[b, 0])).sum() / (1 - theirs[b, 0]).sum()
                low, high = min(first[b, c].min(), second[b, c].min()), max(first[b, c].max(), second[b, c].max())
                skin[b, c] = (skin[b, c] + own - other).clamp(low, high)
        expected = keep[b] * first[b] + (1 - keep[b]) * skin[b]
        assert torch.allclose(mixed[b], expected, atol=1e-12)
    assert torch.equal(target.labels, LABELS)
    assert (target.lam == 1).all()


def test_the_record_carries_masks_by_the_lesion():
    first, second, keep, theirs = pair()
    _, _, record = OtherSkin().with_record(first, LABELS, second, LABELS, keep, theirs)
    assert torch.equal(record.mask, keep)


def test_an_image_whose_map_shows_nothing_comes_back():
    first, second, keep, theirs = pair()
    keep[1] = 0.005
    mixed, _ = OtherSkin()(first, LABELS, second, LABELS, keep, theirs)
    assert torch.equal(mixed[1], first[1])
    assert not torch.equal(mixed[0], first[0])


def test_bytes_stay_bytes_and_the_normalisation_does_not_matter():
    first, second, keep, theirs = pair(torch.float32)
    mixed, _ = OtherSkin()(first, LABELS, second, LABELS, keep, theirs)
    mean, std = torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1), torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
    normalised, _ = OtherSkin()((first - mean) / std, LABELS, (second - mean) / std, LABELS, keep, theirs)
    assert torch.allclose(normalised * std + mean, mixed, atol=1e-6)
    first_bytes, second_bytes = ((255 * part).round().to(torch.uint8) for part in (first, second))
    as_bytes, _ = OtherSkin()(first_bytes, LABELS, second_bytes, LABELS, keep, theirs)
    assert as_bytes.dtype == torch.uint8
    assert (as_bytes.float() - 255 * mixed).abs().max() < 2.5


def test_its_own_detector_is_for_whole_frames_and_the_batch_pairs_itself():
    mix = OtherSkin(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    assert isinstance(mix.saliency, SkinContrastSaliency)
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    mixed, target = InBatch(OtherSkin(), ShiftedPairing())(images, torch.tensor([0, 1, 2, 0]))
    assert mixed.shape == images.shape
    assert (target.lam == 1).all()


X, Y, M = torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), torch.rand(2, 1, 8, 8)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: OtherSkin(least=2.0), ValueError, "least: expected a number from 0 to 1, got 2"),
        (
            lambda: OtherSkin(saliency=torch.nn.Identity(), mean=(0.5,) * 3),
            ValueError,
            "mean, std: expected None beside",
        ),
        (lambda: OtherSkin()(X, Y, X, Y, M[:1], M), ValueError, "first_map: expected one for each of 2 images, got 1"),
        (lambda: fill_in(X, M[:1]), ValueError, r"known: expected \[B, 1, H, W\] for images \[B, C, H, W\], got"),
        (lambda: fill_in(X.to(torch.uint8), M), TypeError, "images: expected"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
