"""Crops drawn like torchvision's, and carried alike through images, masks and maps."""

import math

import pytest
import torch

from benchmarks.crops import crop_images, crop_maps, crop_masks, draw_crops

IDENTITY = torch.tensor([[0.0, 0.0, 1.0, 1.0]])


@pytest.mark.parametrize("aspect", [1.0, 4 / 3])
def test_crops_lie_in_the_frame_with_the_area_and_the_shape_asked_for(aspect):
    x, y, width, height = draw_crops(5000, aspect, torch.Generator().manual_seed(0)).unbind(1)
    assert (x.abs() + width.abs() <= 1 + 1e-6).all()
    assert (y.abs() + height.abs() <= 1 + 1e-6).all()
    area, shape = (width * height).abs(), (width / height).abs() * aspect
    assert 0.3 - 1e-5 <= area.min() < 0.31
    assert area.max() > 0.95
    assert shape.min() == pytest.approx(0.75, abs=0.01)
    assert shape.max() == pytest.approx(4 / 3, abs=0.01)
    for side in (width, height):
        assert (side < 0).float().mean() == pytest.approx(0.5, abs=0.03)  # flips; four standard errors


def test_crops_are_distributed_like_torchvisions():
    transforms = pytest.importorskip("torchvision.transforms")
    torch.manual_seed(0)
    frame = torch.zeros(3, 300, 400)
    drawn = [transforms.RandomResizedCrop.get_params(frame, (0.3, 1.0), (3 / 4, 4 / 3)) for _ in range(4000)]
    top, left, tall, wide = torch.tensor(drawn, dtype=torch.float64).unbind(1)
    theirs = torch.stack([(left + wide / 2) / 200 - 1, (top + tall / 2) / 150 - 1, wide / 400, tall / 300], 1)
    ours = draw_crops(4000, 4 / 3, torch.Generator().manual_seed(0)).double()
    ours[:, 2:] = ours[:, 2:].abs()
    # Means and deviations of 4000 draws, in standard errors of their difference; theirs are whole pixels.
    for mine, other in ((ours.mean(0), theirs.mean(0)), (ours.std(0), theirs.std(0))):
        assert ((mine - other).abs() < 4 * theirs.std(0) * math.sqrt(2 / 4000) + 0.002).all()


def test_a_crop_that_never_fits_is_the_square_in_the_middle():
    crops = draw_crops(20, 4.0, torch.Generator().manual_seed(0), scale=(1.0, 1.0))
    expected = torch.tensor([0.0, 0.0, 0.25, 1.0]).expand(20, 4)
    torch.testing.assert_close(crops.abs(), expected, rtol=0, atol=0)


def test_the_whole_frame_is_itself_and_a_negative_side_is_a_flip():
    maps = torch.rand(1, 1, 12, 9)
    torch.testing.assert_close(crop_maps(maps, IDENTITY), maps, rtol=0, atol=1e-5)
    torch.testing.assert_close(crop_maps(maps, IDENTITY * torch.tensor([1, 1, -1, 1])), maps.flip(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(crop_maps(maps, IDENTITY * torch.tensor([1, 1, 1, -1])), maps.flip(2), rtol=0, atol=1e-5)


def test_a_quarter_equals_slicing_and_resizing():
    maps = torch.rand(2, 3, 8, 8)
    crops = torch.tensor([[-0.5, -0.5, 0.5, 0.5], [0.5, -0.5, 0.5, 0.5]])
    cropped = crop_maps(maps, crops)
    for one, top_left in zip(cropped, (maps[0, :, :4, :4], maps[1, :, :4, 4:]), strict=True):
        expected = torch.nn.functional.interpolate(top_left[None], (8, 8), mode="bilinear")[0]
        # Next to the cut the slice repeats its edge and the crop sees the neighbour.
        torch.testing.assert_close(one[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], rtol=0, atol=1e-5)


def test_images_masks_and_maps_stay_in_register():
    masks = torch.zeros(40, 1, 64, 64, dtype=torch.bool)
    masks[:, :, 20:45, 12:40] = True
    images = masks.expand(40, 3, 64, 64).to(torch.uint8) * 200
    crops = draw_crops(40, 4 / 3, torch.Generator().manual_seed(0))
    cropped = crop_masks(masks, crops)
    carried = crop_maps(masks.float(), crops)
    assert torch.equal(carried >= 0.5, cropped)
    assert ((crop_images(images, crops)[:, :1] - 200 * carried).abs() <= 0.5001).all()  # rounded to bytes
    assert cropped.flatten(1).any(1).all()
    assert images.dtype == crop_images(images, crops).dtype == torch.uint8
