"""CutMix by hand, and against torchvision and kornia."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from longtail_mix import CutMix, ShiftedPairing
from longtail_mix.functional import cutmix, draw_lam, random_boxes


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=40)
@given(
    number=st.integers(0, 4),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.uint8]),
    seed=st.integers(0, 2**31),
)
def test_images_and_lam_equal_a_loop_over_pixels(number, height, width, dtype, seed):
    generator = seeded(seed)
    first, second = (torch.rand(2, number, 2, height, width, generator=generator) * 255).to(dtype)
    labels, other = torch.randint(9, (2, number), generator=generator)
    corners = torch.randint(-3, 11, (number, 2, 2), generator=generator).sort(1).values
    boxes = corners.flatten(1)  # x1, y1, x2, y2, over the border or empty at times
    mixed, target = cutmix(first, labels, second, other, boxes)
    for i in range(number):
        x1, y1, x2, y2 = boxes[i].tolist()
        kept = 0
        for y in range(height):
            for x in range(width):
                pasted = x1 <= x < x2 and y1 <= y < y2
                kept += not pasted
                assert torch.equal(mixed[i, :, y, x], (second if pasted else first)[i, :, y, x])
        assert target.lam[i].item() == pytest.approx(kept / (height * width), abs=1e-6)
    assert mixed.dtype == dtype
    assert [target.labels.tolist(), target.other.tolist()] == [labels.tolist(), other.tolist()]


def test_gradcheck():
    first, second = (torch.rand(2, 2, 3, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    labels, boxes = torch.tensor([0, 1]), torch.tensor([[0, 1, 2, 2], [1, 1, 5, 5]])
    assert gradcheck(lambda a, b: cutmix(a, labels, b, labels, boxes)[0], (first, second))


def test_one_box_for_all_is_torchvisions_cutmix():
    v2 = pytest.importorskip("torchvision.transforms.v2")
    images, labels = torch.rand(5, 3, 17, 22, generator=seeded(0)), torch.tensor([0, 3, 1, 1, 2])
    for seed in range(10):  # boxes inside, at the border, empty
        judge = v2.CutMix(num_classes=4)
        torch.manual_seed(seed)
        box = judge.make_params([images])["box"]
        torch.manual_seed(seed)
        expected, expected_labels = judge(images, labels)
        partner, _ = ShiftedPairing().partners(labels)
        boxes = torch.tensor(box).expand(5, 4)
        mixed, target = cutmix(images, labels, images[partner], labels[partner], boxes)
        assert torch.equal(mixed, expected)
        torch.testing.assert_close(target.soft(4), expected_labels)


def test_lam_is_what_is_left_and_kornias_default_is_what_is_cut():
    """White pasted into black: how black the mix is tells which is right."""
    augmentation = pytest.importorskip("kornia.augmentation")
    whole = torch.zeros(6, 1, 12, 12)
    whole[3:] = 1
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    with pytest.warns(DeprecationWarning, match="inconsistent"):
        inverted = augmentation.RandomCutMixV2(data_keys=["input", "class"])
    corrected = augmentation.RandomCutMixV2(data_keys=["input", "class"], use_correct_lambda=True)
    shares = []
    for judge in (inverted, corrected):
        torch.manual_seed(0)
        images, out = judge(whole, labels)
        assert out.shape == (1, 6, 3)
        shares.append(out[0, :, 2])
        partner, corners = judge._params["mix_pairs"][0].long(), judge._params["crop_src"][0].long()
        boxes = torch.cat([corners[:, 0], corners[:, 2] + 1], 1)  # kornia's corners are the last pixels inside
        mixed, target = cutmix(whole, labels, whole[partner], labels[partner], boxes)
        assert torch.equal(mixed, images)
        of_another = labels != labels[partner]
        assert of_another.any()
        kept = torch.where(labels == 0, 1 - mixed.mean((1, 2, 3)), mixed.mean((1, 2, 3)))
        torch.testing.assert_close(target.lam[of_another], kept[of_another])
    torch.testing.assert_close(shares[1], target.lam)
    torch.testing.assert_close(shares[0], 1 - target.lam)
    assert not torch.allclose(shares[0], target.lam)


def test_images_get_boxes_of_their_own_where_torchvision_shares_one():
    v2 = pytest.importorskip("torchvision.transforms.v2")
    first, second = torch.zeros(8, 1, 32, 32), torch.ones(8, 1, 32, 32)
    labels = torch.zeros(8, dtype=torch.long)
    mixed, _ = CutMix()(first, labels, second, labels, generator=seeded(0))
    assert len(mixed.unique(dim=0)) == 8
    both = torch.stack([first, second], 1).flatten(0, 1)  # 0, 1, 0, 1, ...: each next to the other kind
    torch.manual_seed(1)
    shared, _ = v2.CutMix(num_classes=1)(both, labels.repeat(2))
    assert len(shared.unique(dim=0)) == 2


def test_the_module_draws_and_calls_the_function():
    images, labels = torch.rand(4, 3, 9, 7), torch.tensor([0, 1, 2, 1])
    pairs = (images, labels, images.flip(0), labels.flip(0))
    generator = seeded(2)
    boxes = random_boxes(draw_lam(labels, 0.4, generator), 9, 7, generator)
    mixed, target = CutMix(0.4)(*pairs, generator=seeded(2))
    assert torch.equal(mixed, cutmix(*pairs, boxes)[0])
    assert torch.equal(target.lam, cutmix(*pairs, boxes)[1].lam)
    assert repr(CutMix(0.4)) == "CutMix(alpha=0.4)"


X = torch.rand(2, 3, 4, 4)
Y = torch.tensor([0, 1])
BOXES = torch.tensor([[0, 0, 2, 2], [1, 1, 3, 3]])


@pytest.mark.parametrize(
    ("boxes", "error", "message"),
    [
        (BOXES.tolist(), TypeError, "boxes: expected a torch.Tensor, got list"),
        (BOXES.float(), TypeError, "boxes: expected integers, got torch.float32"),
        (BOXES > 0, TypeError, "boxes: expected integers, got torch.bool"),
        (BOXES[:1], ValueError, r"boxes: expected one \(x1, y1, x2, y2\) for each of 2 images, got shape \[1, 4\]"),
        (BOXES[:, :2], ValueError, r"boxes: expected one \(x1, y1, x2, y2\) for each of 2 images, got shape"),
        (BOXES.flip(1), ValueError, r"boxes: expected x1 <= x2 and y1 <= y2, got \[2, 2, 0, 0\]"),
        (BOXES.to("meta"), ValueError, "boxes: expected device cpu like first, got meta"),
    ],
)
def test_bad_boxes(boxes, error, message):
    with pytest.raises(error, match=message):
        cutmix(X, Y, X, Y, boxes)


def test_the_image_that_is_not_finite_is_named():
    with pytest.raises(ValueError, match="second: expected finite values"):
        cutmix(X, Y, X * math.nan, Y, BOXES)
