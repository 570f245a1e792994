"""Regions against loops, OpenCV and kornia; masks carried through augmentation."""

import sys
from fractions import Fraction

import kornia.augmentation as K
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from longtail_mix import LesionRegions, SkinContrastSaliency
from longtail_mix.data import synthetic_dermoscopy
from longtail_mix.regions import box_masks, lesion_regions, otsu_threshold, scale_boxes

pytest.importorskip("cv2", reason="needs OpenCV: pip install 'longtail-mix[opencv]'")


def components_by_hand(above: torch.Tensor) -> list[list[tuple[int, int]]]:
    """Flood fill of [H, W] over eight neighbours, largest component first."""
    left = {tuple(p) for p in above.nonzero().tolist()}
    components = []
    while left:
        todo, component = [min(left)], []
        left.discard(todo[0])
        while todo:
            y, x = todo.pop()
            component.append((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            todo += near
        components.append(component)
    return sorted(components, key=len, reverse=True)


def box_of(component: list[tuple[int, int]]) -> list[int]:
    ys, xs = zip(*component, strict=True)
    return [min(xs), min(ys), max(xs) + 1, max(ys) + 1]


@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    seed=st.integers(0, 2**31),
    density=st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    min_area=st.sampled_from([0.0, 0.05, 0.3]),
)
def test_boxes_equal_those_of_a_flood_fill(size, seed, density, min_area):
    generator = torch.Generator().manual_seed(seed)
    saliency = torch.rand(2, 1, *size, generator=generator) * torch.rand(2, 1, 1, 1, generator=generator)
    saliency = torch.where(torch.rand(2, 1, *size, generator=generator) < density, 0.5 + saliency / 2.1, saliency / 2)
    before = saliency.clone()
    every = lesion_regions(saliency, largest_only=False, min_area=min_area)
    for b in range(2):
        components = components_by_hand(saliency[b, 0] > 0.5)
        kept = [c for c in components if len(c) >= Fraction(str(min_area)) * size[0] * size[1]]
        assert sorted(every.boxes[b].tolist()) == sorted(map(box_of, kept))
        areas = [len(c) for c in kept]
        if areas and areas.count(areas[0]) == 1:
            assert lesion_regions(saliency, min_area=min_area).boxes[b].tolist() == [box_of(kept[0])]
        expected = torch.zeros(size, dtype=torch.bool)
        for left, top, right, bottom in map(box_of, kept):
            expected[top:bottom, left:right] = True
        assert torch.equal(every.mask[b, 0], expected)
        assert every.has_mask[b] == bool(kept)
    assert torch.equal(saliency, before)


def test_the_lesion_is_what_lies_above_one_half():
    saliency = torch.zeros(1, 1, 6, 6)
    saliency[..., 2:4, 2:4] = 0.5
    assert not lesion_regions(saliency).has_mask.any()
    saliency[..., 2, 3] = torch.nextafter(torch.tensor(0.5), torch.tensor(1.0))
    assert lesion_regions(saliency).boxes[0].tolist() == [[3, 2, 4, 3]]


def test_a_drawn_mask_is_taken_as_it_is(device):
    mask = torch.zeros(3, 1, 20, 20, dtype=torch.bool, device=device)
    mask[0, 0, 3:9, 4:8] = True
    mask[0, 0, 12, 12] = True  # a small one, dropped as it is not the largest
    mask[1, 0, 0, :] = True
    regions = lesion_regions(mask)
    assert [boxes.tolist() for boxes in regions.boxes] == [[[4, 3, 8, 9]], [[0, 0, 20, 1]], []]
    assert regions.has_mask.tolist() == [True, True, False]
    assert regions.mask.device == mask.device
    assert regions.boxes[0].device == mask.device
    both = lesion_regions(mask, largest_only=False, min_area=0.0)
    assert both.boxes[0].tolist() == [[4, 3, 8, 9], [12, 12, 13, 13]]
    assert lesion_regions(mask, scale=2.0).boxes[0].tolist() == [[2, 0, 10, 12]]


def test_otsu_splits_what_a_loop_over_thresholds_splits():
    generator = torch.Generator().manual_seed(0)
    saliency = torch.rand(4, 1, 9, 9, generator=generator) * 0.4
    saliency[:, :, 2:5, 3:7] += 0.5
    saliency[3] = 0.25
    inside = saliency > otsu_threshold(saliency).view(-1, 1, 1, 1)
    for b in range(3):
        values = saliency[b].flatten().double()
        splits = []
        for t in values.unique()[:-1].tolist():
            above, below = values[values > t], values[values <= t]
            splits.append((len(above) * len(below) * (above.mean() - below.mean()).item() ** 2, t))
        best = max(splits)[1]
        assert torch.equal(inside[b].flatten(), values > best)
    assert not inside[3].any()
    assert otsu_threshold(saliency[:0]).shape == (0,)
    # The paper's fixed threshold misses what is faint; Otsu's does not.
    faint = lesion_regions(0.3 * saliency[:1])
    assert not faint.has_mask.any()
    assert lesion_regions(0.3 * saliency[:1], otsu_threshold).boxes[0].tolist() == [[3, 2, 7, 5]]


def test_scaled_boxes():
    boxes = torch.tensor([[10, 10, 30, 20], [0, 0, 4, 4], [39, 0, 40, 30]])
    assert torch.equal(scale_boxes(boxes, 1.0, 30, 40), boxes)
    assert scale_boxes(boxes, 0.7, 30, 40).tolist() == [[13, 11, 27, 19], [1, 1, 3, 3], [39, 4, 40, 26]]
    assert scale_boxes(boxes, 1.1, 30, 40).tolist() == [[9, 9, 31, 21], [0, 0, 4, 4], [39, 0, 40, 30]]
    tiny = scale_boxes(boxes, 0.001, 30, 40)
    assert (tiny[:, 2:] - tiny[:, :2] == 1).all()
    assert scale_boxes(boxes[:0], 1.1, 30, 40).shape == (0, 4)


@given(scale=st.floats(0.01, 5), seed=st.integers(0, 2**31))
def test_scaled_boxes_stay_boxes_of_the_image(scale, seed):
    generator = torch.Generator().manual_seed(seed)
    start = torch.randint(0, 20, (5, 2), generator=generator)
    end = start + torch.randint(1, 10, (5, 2), generator=generator)
    boxes = scale_boxes(torch.cat([start, end], 1), scale, 30, 30)
    assert ((boxes[:, 2:] > boxes[:, :2]) & (boxes[:, :2] >= 0) & (boxes[:, 2:] <= 30)).all()
    mask = box_masks([boxes], 30, 30)
    assert mask.any()


def test_from_images_the_boxes_hold_the_lesions():
    data = synthetic_dermoscopy([6, 6], size=64, seed=0)
    regions = LesionRegions(SkinContrastSaliency(), otsu_threshold)(data.images)
    assert regions.has_mask.all()
    covered = ((regions.mask & data.masks).sum((1, 2, 3)) / data.masks.sum((1, 2, 3))).mean()
    outside = ((regions.mask & ~data.masks).sum((1, 2, 3)) / (~data.masks).sum((1, 2, 3))).mean()
    assert covered > 0.9
    assert outside < 0.25
    assert "largest_only=True" in repr(LesionRegions(nn.Identity()))


def test_masks_go_through_the_same_crop_flip_and_rotation_as_the_image():
    """The image is its own mask, so after any augmentation the two have to agree."""
    torch.manual_seed(0)
    mask = box_masks([torch.tensor([[3 + i, 5, 14 + i, 20]]) for i in range(8)], 32, 32)
    augment = K.AugmentationSequential(
        K.RandomResizedCrop((32, 32), scale=(0.6, 1.0), ratio=(0.9, 1.1)),
        K.RandomHorizontalFlip(),
        K.RandomVerticalFlip(),
        K.RandomRotation(45.0, p=1.0),
        data_keys=["input", "mask"],
    )
    images, masks = augment(mask.float().expand(-1, 3, -1, -1), mask.float())
    assert not torch.equal(masks, mask.float())
    assert masks.shape == (8, 1, 32, 32)
    assert ((masks >= 0) & (masks <= 1)).all()
    # The image is interpolated and the mask is not, so they may differ by a pixel at the border.
    inside = images[:, :1] > 0.5
    assert (inside != (masks > 0.5)).float().mean() < 0.02
    assert (inside != (masks.flip(0) > 0.5)).float().mean() > 0.1


def test_opencv_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match="cv2: expected it to be installed, pip install 'longtail-mix.opencv"):
        lesion_regions(torch.ones(1, 1, 4, 4))


def test_no_image():
    regions = lesion_regions(torch.zeros(0, 1, 4, 4))
    assert regions.mask.shape == (0, 1, 4, 4)
    assert regions.has_mask.shape == (0,)
    assert regions.boxes == ()


B = torch.tensor([[0, 0, 4, 4]])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: lesion_regions("map"), TypeError, "saliency: expected a torch.Tensor, got str"),
        (lambda: lesion_regions(torch.ones(2, 1, 4, 4).int()), TypeError, "saliency: expected a floating-point tensor"),
        (lambda: lesion_regions(torch.ones(2, 4, 4)), ValueError, r"saliency: expected maps \[B, 1, H, W\]"),
        (lambda: lesion_regions(torch.ones(2, 4, 4) > 0), ValueError, r"saliency: expected maps \[B, 1, H, W\]"),
        (lambda: lesion_regions(torch.ones(2, 1, 0, 4) > 0), ValueError, "saliency: expected at least one pixel"),
        (
            lambda: lesion_regions(2 * torch.ones(1, 1, 2, 2)),
            ValueError,
            r"saliency: expected values in \[0, 1\], got 2",
        ),
        (lambda: lesion_regions(torch.ones(1, 1, 2, 2) / 0), ValueError, "saliency: expected finite values"),
        (lambda: lesion_regions(torch.ones(1, 1, 2, 2), 1.5), ValueError, "expected a number from 0 to 1, got 1.5"),
        (lambda: lesion_regions(torch.ones(1, 1, 2, 2), min_area=2), ValueError, "min_area: expected a number from 0"),
        (lambda: lesion_regions(torch.ones(1, 1, 2, 2), min_area="1"), TypeError, "min_area: expected a number"),
        (
            lambda: lesion_regions(torch.ones(1, 1, 2, 2), scale=0.0),
            ValueError,
            "scale: expected a finite number above",
        ),
        (lambda: box_masks([], 4, 4), ValueError, "boxes: expected those of at least one image, got none"),
        (lambda: box_masks([B.float()], 4, 4), TypeError, "boxes: expected torch.int64, got torch.float32"),
        (lambda: box_masks([B[0]], 4, 4), ValueError, r"boxes: expected \[n, 4\], got shape \[4\]"),
        (lambda: box_masks([B], 4, 3), ValueError, r"inside 4x3, got \[0, 0, 4, 4\]"),
        (lambda: box_masks([B - 1], 4, 4), ValueError, r"inside 4x4, got \[-1, -1, 3, 3\]"),
        (
            lambda: scale_boxes(B[:, [0, 1, 0, 3]], 1.0, 4, 4),
            ValueError,
            r"expected left < right .* got \[0, 0, 0, 4\]",
        ),
        (lambda: scale_boxes(B, 1.0, 0, 4), ValueError, "height: expected at least 1, got 0"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
