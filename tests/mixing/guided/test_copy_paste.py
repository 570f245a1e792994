"""CopyPaste and SkinSwap against loops over pixels."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail_mix import CopyPaste, InBatch, ShiftedPairing, SkinSwap
from longtail_mix.functional import placed_grid, soft_edges


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def soft_edges_by_hand(mask, edge):
    height, width = mask.shape
    k = round(edge * min(height, width) / 2)

    def near(y, x):
        return [
            (j, i)
            for j in range(max(y - k, 0), min(y + k + 1, height))
            for i in range(max(x - k, 0), min(x + k + 1, width))
        ]

    grown = [[any(mask[j, i] for j, i in near(y, x)) for x in range(width)] for y in range(height)]
    return torch.tensor(
        [[sum(grown[j][i] for j, i in near(y, x)) / len(near(y, x)) for x in range(width)] for y in range(height)]
    )


@settings(max_examples=25)
@given(
    height=st.integers(1, 9), width=st.integers(1, 9), edge=st.sampled_from([0, 0.3, 0.6, 1]), seed=st.integers(0, 999)
)
def test_soft_edges_equal_a_loop_and_keep_the_mask(height, width, edge, seed):
    mask = torch.rand(2, 1, height, width, generator=seeded(seed)) < 0.15
    share = soft_edges(mask, edge)
    for b in range(2):
        torch.testing.assert_close(share[b, 0], soft_edges_by_hand(mask[b, 0], edge))
    assert (share[mask] == 1).all()


def placed_by_hand(lesion, angle, scale, place, move):
    """One lesion [H, W]: the place in the source of each pixel, in pixels; Python floats, which are float64."""
    height, width = lesion.shape
    pixels = [(x + 0.5, y + 0.5) for y in range(height) for x in range(width) if lesion[y, x]]
    c = [sum(p[i] for p in pixels) / len(pixels) for i in range(2)]
    cos, sin = math.cos(angle), math.sin(angle)
    corners = []
    for x, y in pixels:
        for dx, dy in ((-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5), (0.5, 0.5)):
            u, v = x + dx - c[0], y + dy - c[1]
            corners.append((scale * (cos * u - sin * v), scale * (sin * u + cos * v)))
    target = []
    for i, size in enumerate((width, height)):
        low, high = -min(p[i] for p in corners), size - max(p[i] for p in corners)
        goal = low + place[i] * (high - low) if low <= high else (low + high) / 2
        near = min(max(c[i], low), high) if low <= high else goal
        target.append(near + move * (goal - near))
    source = torch.zeros(height, width, 2)
    for y in range(height):
        for x in range(width):
            u, v = (x + 0.5 - target[0]) / scale, (y + 0.5 - target[1]) / scale
            source[y, x] = torch.tensor([c[0] + cos * u + sin * v, c[1] - sin * u + cos * v])
    return source


@settings(max_examples=25)
@given(
    height=st.integers(2, 9),
    width=st.integers(2, 9),
    angle=st.floats(-3.2, 3.2),
    scale=st.floats(0.3, 3),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    move=st.floats(0, 1),
    seed=st.integers(0, 999),
)
def test_places_equal_a_loop(height, width, angle, scale, place, move, seed):
    lesion = torch.rand(2, 1, height, width, generator=seeded(seed)) < 0.2
    lesion[0] = False  # the first image has none: it stays as it is
    lesion[1, 0, height // 2, 0] = True
    one = torch.ones(2)
    grid = placed_grid(lesion, angle * one, scale * one, torch.tensor([place, place]), move)
    size = torch.tensor([width, height])
    expected = placed_by_hand(lesion[1, 0], angle, scale, place, move)
    torch.testing.assert_close((grid[1] + 1) / 2 * size, expected, atol=1e-4, rtol=1e-4)
    ramp = torch.arange(height * width, dtype=torch.float32).view(1, 1, height, width)
    torch.testing.assert_close(F.grid_sample(ramp, grid[:1], align_corners=False), ramp, atol=1e-3, rtol=1e-4)


def test_the_lesion_is_whole_and_inside_wherever_it_goes():
    lesion = torch.zeros(40, 1, 48, 64)
    lesion[..., 4:20, 40:56] = 1
    first = lesion.expand(-1, 3, -1, -1) * 1.0  # white lesions, black skin
    second, labels = torch.full_like(first, 0.5), torch.arange(40) % 3  # grey
    mix = CopyPaste(edge=0, scale=(0.5, 1.5), saliency=torch.nn.Identity())
    none = torch.zeros_like(lesion)
    images, target, record = mix.with_record(first, labels, second, labels, lesion, none, generator=seeded(0))
    area = record.mask.sum((1, 2, 3)) / 256
    assert ((area > 0.45**2) & (area < 1.55**2)).all()
    assert area.max() / area.min() > 4  # both ends of the scale are drawn
    assert (images[record.mask.bool().expand_as(images)] >= 0.5).all()  # half white at its edges
    assert (images[~record.mask.bool().expand_as(images)] == 0.5).all()
    middle = (record.mask * torch.arange(64)).sum((1, 2, 3)) / record.mask.sum((1, 2, 3))
    assert middle.min() < 16 < 48 < middle.max()
    assert target.lam.tolist() == [1] * 40
    assert torch.equal(record.carry(lesion, none) > 0, record.mask > 0)  # and so a mask of lesions goes along


def test_the_lesion_of_the_other_image_is_hidden_or_not():
    first, second = torch.zeros(1, 3, 20, 20), torch.ones(1, 3, 20, 20)
    lesion = torch.zeros(2, 1, 1, 20, 20)
    lesion[0, ..., 4:8, 4:8] = lesion[1, ..., 12:18, 2:6] = 1
    label = torch.tensor([1])
    options = {"degrees": 0, "scale": (1, 1), "move": 0, "edge": 0}
    hidden, _ = CopyPaste(**options)(first, label, second, label, *lesion)
    torch.testing.assert_close(1 - hidden[:, :1], lesion.sum(0), atol=1e-5, rtol=0)
    shown, _ = CopyPaste(**options, hide=False)(first, label, second, label, *lesion)
    torch.testing.assert_close(1 - shown[:, :1], lesion[0], atol=1e-5, rtol=0)


def test_a_lesion_is_what_lies_above_the_threshold():
    first, second = torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)
    lesion = torch.zeros(2, 1, 1, 8, 8)
    lesion[0, ..., 1:3, 1:3], lesion[1, ..., 5:7, 5:7] = 1, 0.5
    label = torch.tensor([1])
    options = {"degrees": 0, "scale": (1, 1), "move": 0, "edge": 0}
    mixed, _ = CopyPaste(**options)(first, label, second, label, *lesion)  # 0.5 is not above
    torch.testing.assert_close(1 - mixed[:, :1], lesion[0], atol=1e-5, rtol=0)
    lesion[0] = lesion[0] / 2 + lesion[0] * torch.finfo(torch.float32).eps
    again, _ = CopyPaste(**options)(first, label, second, label, *lesion)  # and this is
    assert torch.equal(again, mixed)


@pytest.mark.parametrize("mix", [CopyPaste(), SkinSwap()])
def test_an_image_that_nobody_found_a_lesion_in_stays(mix):
    first, second = torch.rand(2, 2, 3, 12, 12)
    labels, maps = torch.tensor([0, 1]), torch.zeros(2, 2, 1, 12, 12)
    maps[0, 1, :, 3:5, 3:5] = 1
    images, _ = mix(first, labels, second, labels, *maps, generator=seeded(0))
    torch.testing.assert_close(images[0], first[0], atol=1e-6, rtol=0)
    assert not torch.allclose(images[1], first[1])


def test_skin_swap_equals_a_loop():
    first, second = torch.rand(2, 2, 3, 9, 12, dtype=torch.float64)
    labels, maps = torch.tensor([0, 1]), torch.rand(2, 2, 1, 9, 12) ** 6
    mixed, target = SkinSwap(threshold=0.4, edge=0.3)(first, labels, second, labels, *maps)
    for b in range(2):
        share = soft_edges_by_hand((maps[0, b, 0] > 0.4) | (maps[1, b, 0] > 0.4), 0.3)
        for y in range(9):
            for x in range(12):
                m = share[y, x].double()
                torch.testing.assert_close(mixed[b, :, y, x], m * first[b, :, y, x] + (1 - m) * second[b, :, y, x])
    assert target.lam.tolist() == [1, 1]


def test_coarse_maps_are_brought_to_the_image():
    images, labels, cams = torch.rand(2, 3, 16, 16), torch.tensor([0, 1]), torch.rand(2, 1, 4, 4)
    full = F.interpolate(cams, (16, 16), mode="bilinear")
    mix = InBatch(SkinSwap(), ShiftedPairing())
    assert torch.equal(mix(images, labels, cams)[0], mix(images, labels, full)[0])


X, Y, M = torch.rand(2, 3, 4, 4), torch.tensor([0, 1]), torch.rand(2, 1, 4, 4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: CopyPaste(degrees=200), ValueError, "degrees: expected a number from 0 to 180, got 200"),
        (lambda: CopyPaste(scale=(2, 1)), ValueError, r"scale: expected the smaller factor first, got \(2, 1\)"),
        (lambda: CopyPaste(scale=(0, 1)), ValueError, "scale: expected a finite number above 0, got 0"),
        (lambda: CopyPaste(scale=(1,)), ValueError, r"scale: expected a smallest and a largest factor, got \(1,\)"),
        (lambda: CopyPaste(move=2), ValueError, "move: expected a number from 0 to 1, got 2"),
        (lambda: SkinSwap(threshold=-1), ValueError, "threshold: expected a number from 0 to 1, got -1"),
        (lambda: SkinSwap(edge="1"), TypeError, "edge: expected a number, got '1'"),
        (lambda: SkinSwap(saliency=torch.nn.Identity(), mean=(0,)), ValueError, "mean, std: expected None beside"),
        (lambda: SkinSwap()(X, Y, X, Y, M[:1], M), ValueError, "first_map: expected one for each of 2 images, got 1"),
        (lambda: SkinSwap()(X, Y, X, Y, M, M[0]), ValueError, r"second_map: expected maps \[B, 1, H, W\], got"),
        (lambda: soft_edges(M), TypeError, "mask: expected bool, got torch.float32"),
        (lambda: soft_edges(M[0] > 0), ValueError, r"mask: expected masks \[B, 1, H, W\], got shape \[1, 4, 4\]"),
        (lambda: placed_grid(M > 0, Y / 2, Y[:1] / 2, M[:, 0, 0, :2]), ValueError, r"scale: expected shape \[2\], got"),
        (lambda: placed_grid(M > 0, Y, Y / 2, M[:, 0, 0, :2]), TypeError, "angle: expected a floating-point tensor"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
