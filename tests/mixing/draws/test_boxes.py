"""Boxes against a loop over images, and where they may lie."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail_mix.functional import boxes_around, random_boxes


def by_hand(x: int, y: int, lam: torch.Tensor, height: int, width: int) -> list[int]:
    """The official formula for one image, its root in float32 as here."""
    half = 0.5 * torch.sqrt(1 - lam)
    half_width, half_height = int(half * width), int(half * height)
    return [max(x - half_width, 0), max(y - half_height, 0), min(x + half_width, width), min(y + half_height, height)]


@settings(max_examples=50)
@given(height=st.integers(1, 40), width=st.integers(1, 40), number=st.integers(0, 5), seed=st.integers(0, 2**31))
def test_equals_a_loop(height, width, number, seed):
    generator = torch.Generator().manual_seed(seed)
    lam = torch.rand(number, generator=generator)
    x, y = (torch.randint(size, (number,), generator=generator) for size in (width, height))
    boxes = boxes_around(torch.stack([x, y], 1), lam, height, width)
    assert boxes.tolist() == [by_hand(int(x[i]), int(y[i]), lam[i], height, width) for i in range(number)]


def test_a_box_inside_leaves_lam_up_to_rounding():
    lam = torch.linspace(0, 1, 11)
    boxes = boxes_around(torch.full((11, 2), 100), lam, 200, 200)
    covered = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / 200**2
    torch.testing.assert_close(1 - covered, lam, atol=0.02, rtol=0)
    assert covered[-1] == 0
    assert covered[0] == 1


def test_centres_are_anywhere():
    boxes = random_boxes(torch.ones(12_000), 3, 4, torch.Generator().manual_seed(0))  # lam 1: nothing but the centre
    assert torch.equal(boxes[:, :2], boxes[:, 2:])
    counts = torch.bincount(boxes[:, 1] * 4 + boxes[:, 0], minlength=12)
    assert len(counts) == 12
    assert (counts - 1000).abs().max() < 4 * math.sqrt(1000)


def test_images_get_boxes_of_their_own(device):
    generator = torch.Generator(device).manual_seed(0)
    boxes = random_boxes(torch.full((8,), 0.5, device=device), 32, 32, generator)
    assert len(boxes.unique(dim=0)) == 8
    again = random_boxes(torch.full((8,), 0.5, device=device), 32, 32, torch.Generator(device).manual_seed(0))
    assert torch.equal(boxes, again)


LAM = torch.tensor([0.5])
CENTRE = torch.tensor([[1, 1]])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[1, 1]], LAM, 4, 4), TypeError, "centres: expected a torch.Tensor, got list"),
        ((CENTRE.float(), LAM, 4, 4), TypeError, "centres: expected integer values, got torch.float32"),
        ((CENTRE[0], LAM, 4, 4), ValueError, r"centres: expected integers \[B, 2\], got torch.int64 \[2\]"),
        ((CENTRE, LAM.long(), 4, 4), TypeError, "lam: expected a floating-point tensor"),
        ((CENTRE, LAM[:0], 4, 4), ValueError, r"lam: expected one for each of 1 centres, got shape \[0\]"),
        ((CENTRE, LAM.to("meta"), 4, 4), ValueError, "lam: expected device cpu like centres, got meta"),
        ((CENTRE, LAM + 1, 4, 4), ValueError, r"lam: expected values in \[0, 1\], got 1.5 to 1.5"),
        ((CENTRE, LAM, 0, 4), ValueError, "height: expected at least 1, got 0"),
        ((CENTRE, LAM, 4, 1.5), TypeError, "width: expected a whole number, got 1.5"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        boxes_around(*arguments)


def test_bad_lam_and_generator():
    with pytest.raises(TypeError, match="generator: expected a torch.Generator or None, got int"):
        random_boxes(LAM, 4, 4, 0)
    with pytest.raises(ValueError, match=r"lam: expected values in \[0, 1\], got nan to nan"):
        random_boxes(LAM * float("nan"), 4, 4)
