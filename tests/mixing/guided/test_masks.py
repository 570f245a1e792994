"""AttentiveMix, GuidedMixup and SnapMix against loops over pixels, in float64."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail_mix import AttentiveMix, GuidedMixup, SnapMix, TokenMix
from longtail_mix.functional import draw_lam, random_boxes

SIZES = {"height": st.integers(1, 8), "width": st.integers(1, 8), "seed": st.integers(0, 2**31)}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_pairs(height: int, width: int, seed: int, number: int = 3):
    generator = seeded(seed)
    first, second = torch.rand(2, number, 2, height, width, generator=generator, dtype=torch.float64)
    maps = torch.rand(2, number, 1, height, width, generator=generator, dtype=torch.float64)
    return first, torch.arange(number), second, torch.arange(number) + 5, *maps


@settings(max_examples=25)
@given(cells=st.integers(1, 3), paste=st.integers(1, 9), **SIZES)
def test_attentive_mix_pastes_the_most_salient_cells(cells, paste, height, width, seed):
    height, width, paste = height * cells, width * cells, min(paste, cells**2)
    first, labels, second, other, first_map, second_map = some_pairs(height, width, seed)
    mixed, target = AttentiveMix(cells, paste)(first, labels, second, other, first_map, second_map)
    h, w = height // cells, width // cells
    for b in range(3):
        means = {
            (i, j): second_map[b, 0, i * h : (i + 1) * h, j * w : (j + 1) * w].mean().item()
            for i in range(cells)
            for j in range(cells)
        }
        pasted = sorted(means, key=lambda cell: -means[cell])[:paste]
        for y in range(height):
            for x in range(width):
                source = second if (y // h, x // w) in pasted else first
                assert torch.equal(mixed[b, :, y, x], source[b, :, y, x])
        assert target.lam[b].item() == pytest.approx(1 - paste / cells**2, abs=1e-6)


@settings(max_examples=25)
@given(**SIZES)
def test_guided_mixup_shares_each_pixel_by_saliency(height, width, seed):
    first, labels, second, other, first_map, second_map = some_pairs(height, width, seed)
    mixed, target = GuidedMixup()(first, labels, second, other, first_map, second_map)
    for b in range(3):
        shares = []
        for y in range(height):
            for x in range(width):
                s1 = first_map[b, 0, y, x] / first_map[b].sum()
                s2 = second_map[b, 0, y, x] / second_map[b].sum()
                m = s1 / (s1 + s2)
                shares.append(m)
                torch.testing.assert_close(mixed[b, :, y, x], m * first[b, :, y, x] + (1 - m) * second[b, :, y, x])
        torch.testing.assert_close(target.lam[b].double(), torch.stack(shares).mean(), atol=1e-6, rtol=0)


def test_guided_mixup_of_nothing_salient_is_half_of_each():
    first, labels, second, other, _, _ = some_pairs(4, 4, 0)
    none = torch.zeros(3, 1, 4, 4)
    mixed, target = GuidedMixup()(first, labels, second, other, none, none)
    torch.testing.assert_close(mixed, (first + second) / 2)
    assert target.lam.tolist() == [0.5] * 3


@settings(max_examples=40)
@given(**SIZES)
def test_snap_mix_equals_crop_resize_paste(height, width, seed):
    first, labels, second, other, first_map, second_map = some_pairs(height, width, seed)
    mixed, target = SnapMix(1.0)(first, labels, second, other, first_map, second_map, generator=seeded(seed))
    generator = seeded(seed)
    boxes = [random_boxes(draw_lam(labels, 1.0, generator), height, width, generator) for _ in range(2)]
    for b in range(3):
        (x1, y1, x2, y2), (u1, v1, u2, v2) = (box[b].tolist() for box in boxes)
        expected, lam = first[b].clone(), 1.0
        if x1 < x2 and y1 < y2 and u1 < u2 and v1 < v2:
            crop = second[b : b + 1, :, v1:v2, u1:u2]
            expected[:, y1:y2, x1:x2] = F.interpolate(crop, (y2 - y1, x2 - x1), mode="bilinear")[0]
            r1 = 1 - first_map[b, 0, y1:y2, x1:x2].sum() / first_map[b].sum()
            r2 = second_map[b, 0, v1:v2, u1:u2].sum() / second_map[b].sum()
            lam = (r1 / (r1 + r2)).item()
        torch.testing.assert_close(mixed[b], expected, atol=1e-5, rtol=0)
        assert target.lam[b].item() == pytest.approx(lam, abs=1e-5)


def test_snap_mix_of_maps_of_zeros_shares_by_area():
    first, labels, second, other, _, _ = some_pairs(8, 8, 0)
    none = torch.zeros(3, 1, 8, 8)
    _, target, record = SnapMix(1.0).with_record(first, labels, second, other, none, none, generator=seeded(1))
    torch.testing.assert_close(target.lam, record.share(8, 8).float().mean((1, 2, 3)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AttentiveMix(0), "cells: expected at least 1, got 0"),
        (lambda: AttentiveMix(2, 0), "paste: expected at least 1, got 0"),
        (lambda: AttentiveMix(2, 5), "paste: expected at most 4 cells, got 5"),
        (lambda: SnapMix(0), "alpha: expected a finite number above 0, got 0"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@settings(max_examples=25)
@given(tokens=st.integers(1, 6), stays=st.floats(0, 1), **SIZES)
def test_token_mix_pastes_as_many_tokens_as_asked_and_weighs_them_by_maps(tokens, stays, height, width, seed):
    first, labels, second, other, first_map, second_map = some_pairs(height * tokens, width * tokens, seed)
    mix = TokenMix(tokens, stays)
    mixed, target, record = mix.with_record(first, labels, second, other, first_map, second_map, generator=seeded(seed))
    for b in range(3):
        pasted, r1, r2 = 0, 0.0, 0.0
        for i in range(tokens):
            for j in range(tokens):
                rows, columns = slice(i * height, (i + 1) * height), slice(j * width, (j + 1) * width)
                is_first = bool(record.mask[b, 0, i * height, j * width])
                source, pasted = (first, pasted) if is_first else (second, pasted + 1)
                assert torch.equal(mixed[b, :, rows, columns], source[b, :, rows, columns])
                if is_first:
                    r1 += (first_map[b, 0, rows, columns].sum() / first_map[b].sum()).item()
                else:
                    r2 += (second_map[b, 0, rows, columns].sum() / second_map[b].sum()).item()
        assert pasted == round((1 - stays) * tokens**2)
        assert target.lam[b].item() == pytest.approx(r1 / (r1 + r2), abs=1e-5)


def test_token_mix_pastes_rectangles():
    first, second = torch.zeros(40, 1, 14, 14), torch.ones(40, 1, 14, 14)
    labels, maps = torch.zeros(40, dtype=torch.long), torch.ones(2, 40, 1, 14, 14)
    mixed, target = TokenMix(14, 0.5)(first, labels, second, labels + 1, *maps, generator=seeded(0))
    assert target.lam.tolist() == [0.5] * 40
    borders = (mixed.diff(dim=2) != 0).sum((1, 2, 3)) + (mixed.diff(dim=3) != 0).sum((1, 2, 3))
    assert borders.float().mean() < 90  # of 364; tokens drawn one by one have 182
    assert len(mixed.unique(dim=0)) == 40
