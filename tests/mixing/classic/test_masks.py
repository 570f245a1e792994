"""FMix, ResizeMix, GridMix and SmoothMix against loops over pixels, in float64."""

import cmath
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail_mix import FMix, GridMix, ResizeMix, SmoothMix
from longtail_mix.functional import draw_lam, fmix_mask, smooth_mask

SIZES = {"height": st.integers(1, 7), "width": st.integers(1, 7), "seed": st.integers(0, 2**31)}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_pairs(height: int, width: int, seed: int, number: int = 3):
    first, second = torch.rand(2, number, 2, height, width, generator=seeded(seed), dtype=torch.float64)
    return first, torch.arange(number), second, torch.arange(number) + 5


def grey_by_hand(noise, height, width, decay):
    """Low-pass noise from half of a spectrum, as an explicit sum over all frequencies."""
    half = width // 2 + 1

    def frequency(index, size):
        return (index if index < (size + 1) // 2 else index - size) / size

    def coefficient(v, u):
        if u < half:
            f = max(math.hypot(frequency(v, height), abs(frequency(u, width))), 1 / max(height, width))
            return complex(*noise[:, v, u].tolist()) / f**decay
        return coefficient(-v % height, width - u).conjugate()

    grey = torch.zeros(height, width, dtype=torch.float64)
    for y in range(height):
        for x in range(width):
            total = 0
            for v in range(height):
                for u in range(width):
                    c = coefficient(v, u)
                    if u == 0 or 2 * u == width:  # a real image has a symmetric column: its own and its mirror's mean
                        c = (c + coefficient(-v % height, u).conjugate()) / 2
                    total += c * cmath.exp(2j * math.pi * (v * y / height + u * x / width))
            grey[y, x] = total.real / (height * width)
    return grey


@settings(max_examples=15)
@given(lam=st.floats(0, 1), decay=st.sampled_from([1.0, 3.0]), **SIZES)
def test_fmix_keeps_the_highest_pixels_of_low_pass_noise(lam, decay, height, width, seed):
    noise = torch.randn(1, 2, height, width // 2 + 1, generator=seeded(seed), dtype=torch.float64)
    mask = fmix_mask(noise, torch.tensor([lam], dtype=torch.float64), height, width, decay)[0, 0]
    grey = grey_by_hand(noise[0], height, width, decay)
    assert int(mask.sum()) == round(lam * height * width)
    if mask.any() and not mask.all():
        assert grey[mask].min() > grey[~mask].max() - 1e-5 * grey.abs().max()


def test_shapes_of_fmix_are_large_and_every_pixel_is_as_likely():
    noise = torch.randn(400, 2, 16, 9, generator=seeded(0))
    mask = fmix_mask(noise, torch.full((400,), 0.5), 16, 16).double()
    assert (mask.mean(0) - 0.5).abs().max() < 0.13  # five standard deviations of a fair coin
    assert (mask[..., 1:] == mask[..., :-1]).double().mean() > 0.85


@settings(max_examples=25)
@given(**SIZES)
def test_resize_mix_is_interpolate_and_paste(height, width, seed):
    first, labels, second, other = some_pairs(height, width, seed)
    mixed, target = ResizeMix()(first, labels, second, other, generator=seeded(seed))
    draw = torch.empty(3, 3).uniform_(generator=seeded(seed))
    for b in range(3):
        tau = 0.1 + draw[b, 0] * (0.8 - 0.1)
        w, h = (max(int((tau * size).round()), 1) for size in (width, height))
        x, y = (int(draw[b, i] * (size - side + 1)) for i, size, side in ((1, width, w), (2, height, h)))
        expected = first[b].clone()
        expected[:, y : y + h, x : x + w] = F.interpolate(second[b : b + 1], (h, w), mode="bilinear")[0]
        torch.testing.assert_close(mixed[b], expected, atol=1e-5, rtol=0)
        assert target.lam[b].item() == pytest.approx(1 - h * w / (height * width), abs=1e-6)


@settings(max_examples=25)
@given(cells=st.integers(1, 5), **SIZES)
def test_grid_mix_equals_a_loop_over_pixels(cells, height, width, seed):
    first, labels, second, other = some_pairs(height, width, seed)
    mixed, target = GridMix(cells, 0.7)(first, labels, second, other, generator=seeded(seed))
    generator = seeded(seed)
    lam = draw_lam(labels, 0.7, generator)
    draw = torch.empty(3, cells**2).uniform_(generator=generator)
    for b in range(3):
        stay = set(sorted(range(cells**2), key=lambda c: -draw[b, c].item())[: round(lam[b].item() * cells**2)])
        kept = 0
        for y in range(height):
            for x in range(width):
                is_first = (y * cells // height) * cells + x * cells // width in stay
                kept += is_first
                assert torch.equal(mixed[b, :, y, x], (first if is_first else second)[b, :, y, x])
        assert target.lam[b].item() == pytest.approx(kept / (height * width), abs=1e-6)


@settings(max_examples=25)
@given(**SIZES)
def test_smooth_mix_equals_a_loop_over_pixels(height, width, seed):
    first, labels, second, other = some_pairs(height, width, seed)
    mixed, target = SmoothMix(0.2, 0.9)(first, labels, second, other, generator=seeded(seed))
    draw = torch.empty(3, 3).uniform_(generator=seeded(seed)).double()
    for b in range(3):
        sigma = (0.2 + draw[b, 2] * 0.7) * min(height, width)
        shares = []
        for y in range(height):
            for x in range(width):
                d = (x + 0.5 - draw[b, 0] * width) ** 2 + (y + 0.5 - draw[b, 1] * height) ** 2
                m = 1 - torch.exp(-d / (2 * sigma**2))
                shares.append(m)
                expected = m * first[b, :, y, x] + (1 - m) * second[b, :, y, x]
                torch.testing.assert_close(mixed[b, :, y, x], expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(target.lam[b].double(), torch.stack(shares).mean(), atol=1e-5, rtol=0)


N, L = torch.randn(2, 2, 4, 3), torch.tensor([0.5, 0.5])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: FMix(0), ValueError, "alpha: expected a finite number above 0, got 0"),
        (lambda: FMix(decay=-1), ValueError, "decay: expected a finite number above 0, got -1"),
        (lambda: fmix_mask(N, L, 4, 6), ValueError, r"noise: expected \[2, 2, 4, 4\], got \[2, 2, 4, 3\]"),
        (lambda: fmix_mask(N, L * 3, 4, 4), ValueError, r"lam: expected values in \[0, 1\], got 1.5 to 1.5"),
        (lambda: ResizeMix(0.5, 0.2), ValueError, "smallest, largest: expected 0 < smallest <= largest <= 1, got 0.5"),
        (lambda: ResizeMix(0.5, 2), ValueError, "smallest, largest: expected 0 < smallest <= largest <= 1, got 0.5"),
        (lambda: GridMix(0), ValueError, "cells: expected at least 1, got 0"),
        (lambda: SmoothMix("1"), TypeError, "smallest: expected a number, got '1'"),
        (lambda: SmoothMix(0), ValueError, "smallest, largest: expected 0 < smallest <= largest, got 0 and 0.5"),
        (lambda: smooth_mask(L, L, 2, 2), ValueError, r"centre: expected \[2, 2\], one \(x, y\) a spread, got"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
