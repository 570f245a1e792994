"""Records: masks on grids, moved images, and what cannot be averaged."""

import pytest
import torch

from longtail_mix import MixRecord
from longtail_mix.mixing._moves import pixel_grid

LAM = torch.tensor([0.5])


def test_a_coarse_mask_is_spread_over_its_pixels():
    first, second = torch.rand(2, 1, 3, 4, 6)
    mask = torch.rand(1, 1, 2, 3)
    mixed = MixRecord(mask, LAM).blend(first, second)
    for y in range(4):
        for x in range(6):
            m = mask[0, 0, y // 2, x // 2]
            torch.testing.assert_close(mixed[0, :, y, x], m * first[0, :, y, x] + (1 - m) * second[0, :, y, x])
    with pytest.raises(ValueError, match="height, width: expected multiples of the mask's 2x3, got 4x8"):
        MixRecord(mask, LAM).share(4, 8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("channels_last", [False, True])
def test_images_are_read_where_the_grid_says(dtype, channels_last):
    first, second = (torch.rand(2, 1, 3, 4, 6) * 255).to(dtype)
    if channels_last:
        first, second = (t.contiguous(memory_format=torch.channels_last) for t in (first, second))
    flipped = pixel_grid(4, 6, torch.zeros(())).flip(2)
    mask = torch.zeros(1, 1, 4, 6)
    mask[..., :2] = 1
    mixed = MixRecord(mask, LAM, flipped, flipped.flip(1)).blend(first, second)
    expected = torch.where(mask.bool(), first.flip(3), second.flip(2, 3))
    torch.testing.assert_close(mixed, expected, atol=1e-4, rtol=1e-5)
    assert mixed.dtype == dtype
    hard = MixRecord(mask.bool(), LAM, flipped, flipped.flip(1))
    torch.testing.assert_close(hard.blend(first, second), expected, atol=1e-4, rtol=1e-5)
    classes = torch.arange(24).view(1, 1, 4, 6)
    assert torch.equal(
        hard.carry(classes, classes + 100), torch.where(mask.bool(), classes.flip(3), classes.flip(2, 3) + 100)
    )


def test_what_cannot_be_averaged_comes_from_the_image_with_the_larger_share():
    mask = torch.tensor([[[[0.2, 0.5, 0.9]]]])
    first, second = torch.tensor([[[[1, 2, 3]]]]), torch.tensor([[[[7, 8, 9]]]])
    assert MixRecord(mask, LAM).carry(first, second).tolist() == [[[[7, 2, 3]]]]


def test_an_image_that_was_not_mixed_was_not_moved():
    first, second = torch.rand(2, 2, 3, 4, 4)
    flipped = pixel_grid(4, 4, torch.zeros(())).flip(2).expand(2, -1, -1, -1)
    for mask in (torch.full((2, 1, 1, 1), 0.3), torch.zeros(2, 1, 4, 4, dtype=torch.bool)):
        record = MixRecord(mask, torch.tensor([0.3, 0.3]), flipped, flipped).only_where(torch.tensor([True, False]))
        mixed = record.blend(first, second)
        torch.testing.assert_close(mixed[1], first[1])
        assert not torch.allclose(mixed[0], first[0])
        torch.testing.assert_close(record.lam, torch.tensor([0.3, 1.0]))


def test_the_places_of_an_image_that_was_not_mixed_stay_too():
    flipped = torch.tensor([[[-1.0, 0.0, 4.0], [0.0, 1.0, 0.0]]]).expand(2, -1, -1)
    record = MixRecord(torch.ones(2, 1, 1, 1), torch.ones(2), first_affine=flipped)
    affine = record.only_where(torch.tensor([True, False])).first_affine
    assert affine.tolist() == [flipped[0].tolist(), [[1, 0, 0], [0, 1, 0]]]
