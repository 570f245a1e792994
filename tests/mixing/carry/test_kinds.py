"""Masks, boxes and points of any shape, of tv_tensors and beside the mixes of torchvision and kornia; bad ones."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail_mix import CutMix, InBatch, MixRecord, MixUp, RandomPairing
from longtail_mix.functional import carry_boxes, carry_masks, carry_points
from tests.mixing.carry.by_hand import carried_box, first_share
from tests.mixing.mixes import seeded

RECORD = MixRecord(torch.tensor([[[[True, True, False, False]]]]).repeat(2, 1, 1, 1), torch.tensor([0.5, 0.5]))
IN_BATCH = RECORD._replace(partner=torch.tensor([1, 0]))
SIZE = (2, 4)


@settings(max_examples=20)
@given(
    number=st.integers(0, 3),
    channels=st.integers(1, 3),
    grid=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    patch=st.integers(1, 2),
    counts=st.lists(st.integers(0, 3), min_size=3, max_size=3),
    soft=st.booleans(),
    seed=st.integers(0, 999),
)
def test_any_shape_equals_a_loop(number, channels, grid, patch, counts, soft, seed):
    generator = seeded(seed)
    height, width = (side * patch for side in grid)
    mask = torch.rand(number, 1, *grid, generator=generator)
    record = MixRecord(mask if soft else mask < 0.5, torch.ones(number), partner=torch.arange(number).roll(1))
    masks = torch.rand(number, channels, height, width, generator=generator)
    classes = (masks * 100).to(torch.uint8)
    after, after_classes = carry_masks(record, masks), carry_masks(record, classes)
    boxes = [torch.rand(counts[b], 2, generator=generator) * min(height, width) for b in range(number)]
    boxes = [torch.cat([b / 2, b / 2 + 0.5], 1) for b in boxes]
    found = carry_boxes(record, boxes, [torch.arange(len(b)) for b in boxes], size=(height, width))
    points = carry_points(record, [b[:, :2] for b in boxes], size=(height, width))
    assert len(found) == len(points) == number
    for b in range(number):
        partner = (b - 1) % number
        for y in range(height):
            for x in range(width):
                share = first_share(record, b, y, x, height, width)
                expected = share * masks[b, :, y, x] + (1 - share) * masks[partner, :, y, x]
                torch.testing.assert_close(after[b, :, y, x], expected)
                assert torch.equal(after_classes[b, :, y, x], classes[b if share >= 0.5 else partner, :, y, x])
        own, of_partner = boxes[b].double().tolist(), boxes[partner].double().tolist()
        expected = [("first", i, box) for i, box in enumerate(own)]
        expected += [("second", i, box) for i, box in enumerate(of_partner)]
        carried = [(i, *carried_box(record, which, b, box, height, width, False)) for which, i, box in expected]
        kept = [(i, box, visible) for i, box, visible in carried if visible > 1e-4]
        assert found[b].labels.tolist() == [i for i, _, _ in kept]
        assert found[b].visible.tolist() == pytest.approx([visible for _, _, visible in kept], abs=1e-5)
        assert found[b].boxes.flatten().tolist() == pytest.approx([side for _, box, _ in kept for side in box])
        assert points[b].points.tolist() == [*boxes[b][:, :2].tolist(), *boxes[partner][:, :2].tolist()]


def test_boxes_of_whole_pixels_and_labels_of_any_kind():
    boxes = [torch.tensor([[0, 0, 4, 2], [0, 0, 2, 1]]), torch.tensor([[3, 0, 4, 2], [0, 1, 1, 2]])]
    rows = [torch.tensor([[0.5, 1.0], [1.5, 2.0]]), torch.tensor([[2.5, 3.0], [3.5, 4.0]])]
    own, other = carry_boxes(IN_BATCH, boxes, rows, size=SIZE)
    assert own.boxes.tolist() == [[0, 0, 4, 2], [0, 0, 2, 1], [3, 0, 4, 2]]
    assert own.boxes.dtype == torch.int64
    assert own.visible.tolist() == [0.5, 1, 1]
    assert own.labels.tolist() == [[0.5, 1.0], [1.5, 2.0], [2.5, 3.0]]
    assert other.labels.tolist() == [[3.5, 4.0], [0.5, 1.0]]
    assert [len(b.boxes) for b in carry_boxes(IN_BATCH, boxes, rows, size=SIZE, min_visible=0.51)] == [2, 1]
    cut, _ = carry_boxes(IN_BATCH, boxes, rows, size=SIZE, cut=True)
    assert cut.boxes.tolist() == [[0, 0, 2, 2], [0, 0, 2, 1], [3, 0, 4, 2]]
    assert cut.visible.tolist() == own.visible.tolist()


def test_what_a_mix_leaves_of_boxes_weighs_as_its_images():
    images, labels = torch.rand(4, 3, 8, 8), torch.arange(4)
    boxes = [torch.tensor([[0.0, 0.0, 8.0, 8.0]])] * 4
    _, target, record = InBatch(MixUp(), RandomPairing()).with_record(images, labels)
    for b, found in enumerate(carry_boxes(record, boxes, [labels[b : b + 1] for b in range(4)], size=(8, 8))):
        assert found.labels.tolist() == [target.labels[b], target.other[b]]
        torch.testing.assert_close(found.visible, torch.stack([target.lam[b], 1 - target.lam[b]]))


def test_tv_tensors_come_back_as_they_are():
    tv_tensors = pytest.importorskip("torchvision.tv_tensors")
    masks = tv_tensors.Mask(torch.randint(9, (2, *SIZE)))
    carried = carry_masks(IN_BATCH, masks)
    assert isinstance(carried, tv_tensors.Mask)
    assert torch.equal(carried.as_subclass(torch.Tensor), carry_masks(IN_BATCH, masks.as_subclass(torch.Tensor)))
    corners = [torch.tensor([[0.0, 0.0, 3.0, 2.0]]), torch.zeros(0, 4)]
    labels = [torch.tensor([1]), torch.zeros(0, dtype=torch.int64)]
    plain = carry_boxes(IN_BATCH, corners, labels, size=SIZE)
    for form, same in (("XYXY", [0, 0, 3, 2]), ("XYWH", [0, 0, 3, 2]), ("CXCYWH", [1.5, 1, 3, 2])):
        boxes = [
            tv_tensors.BoundingBoxes(torch.tensor([same] * len(one)).view(-1, 4), format=form, canvas_size=SIZE)
            for one in corners
        ]
        for found, expected in zip(carry_boxes(IN_BATCH, boxes, labels, size=SIZE), plain, strict=True):
            assert isinstance(found.boxes, tv_tensors.BoundingBoxes)
            assert (found.boxes.format.name, found.boxes.canvas_size) == (form, SIZE)
            assert found.boxes.tolist() == [same] * len(expected.boxes)
            assert torch.equal(found.visible, expected.visible)
    with pytest.raises(ValueError, match=r"size: expected \(2, 4\), the canvas of boxes, got 4x4"):
        carry_boxes(IN_BATCH, boxes, labels, size=(4, 4))
    turned = [tv_tensors.BoundingBoxes(torch.ones(1, 5), format="XYWHR", canvas_size=SIZE)] * 2
    with pytest.raises(ValueError, match=r"boxes: expected boxes \[n, 4\] of each image"):
        carry_boxes(IN_BATCH, turned, [torch.ones(1)] * 2, size=SIZE)
    points = [
        tv_tensors.KeyPoints([[1.0, 1.0]], canvas_size=SIZE),
        tv_tensors.KeyPoints([[3.0, 1.0]], canvas_size=SIZE),
    ]
    for found in carry_points(IN_BATCH, points, size=SIZE):
        assert isinstance(found.points, tv_tensors.KeyPoints)
        assert found.points.canvas_size == SIZE
        assert found.visible.tolist() in ([1, 1], [0, 0])


@pytest.mark.parametrize("name", ["CutMix", "MixUp"])
def test_as_torchvision_mixes_what_it_takes_for_channels(name):
    v2 = pytest.importorskip("torchvision.transforms.v2")
    images, labels = torch.rand(4, 3, 8, 12), torch.tensor([0, 1, 2, 1])
    masks = torch.rand(4, 2, 8, 12)
    theirs = getattr(v2, name)(num_classes=3)
    torch.manual_seed(0)
    both, soft = theirs(torch.cat([images, masks], 1), labels)
    torch.manual_seed(0)
    drawn = theirs.make_params([images])
    if name == "CutMix":
        (x1, y1, x2, y2), lam = drawn["box"], torch.full((4,), drawn["lam_adjusted"])
        mask = torch.ones(4, 1, 8, 12, dtype=torch.bool)
        mask[..., y1:y2, x1:x2] = False
    else:
        lam = torch.full((4,), drawn["lam"])
        mask = lam.view(-1, 1, 1, 1)
    record = MixRecord(mask, lam, partner=torch.arange(4).roll(1))
    torch.testing.assert_close(record.blend(images, images[record.partner]), both[:, :3])
    torch.testing.assert_close(carry_masks(record, masks), both[:, 3:])
    other = labels[record.partner]
    one_hot = torch.nn.functional.one_hot
    torch.testing.assert_close(soft, lam[:, None] * one_hot(labels, 3) + (1 - lam[:, None]) * one_hot(other, 3))
    with pytest.raises(ValueError, match="does not support PIL images, bounding boxes, keypoints and masks"):
        theirs(images, labels, pytest.importorskip("torchvision.tv_tensors").Mask(masks))


def test_as_kornia_transplants():
    augmentation = pytest.importorskip("kornia.augmentation").RandomTransplantation(p=1.0)
    images, classes = torch.rand(3, 3, 8, 12), torch.randint(0, 4, (3, 8, 12), generator=seeded(0))
    mixed, mixed_classes = augmentation(images, classes, data_keys=["input", "mask"])
    drawn = augmentation._params
    partner, mask = torch.arange(3), torch.ones(3, 1, 8, 12, dtype=torch.bool)
    partner[drawn["acceptor_indices"]] = drawn["donor_indices"]
    mask[drawn["acceptor_indices"], 0] = ~drawn["selection"]
    record = MixRecord(mask, torch.ones(3), partner=partner)
    assert torch.equal(record.blend(images, images[partner]), mixed)
    assert torch.equal(carry_masks(record, classes), mixed_classes)
    assert not torch.equal(mixed_classes, classes)


def test_masks_in_channels_last():
    masks = torch.rand(4, 2, 2, 4).contiguous(memory_format=torch.channels_last)
    record = MixRecord(torch.rand(4, 1, 2, 4), torch.ones(4), partner=torch.arange(4).roll(1))
    torch.testing.assert_close(carry_masks(record, masks), carry_masks(record, masks.contiguous()))
    turned = masks[:, 0]  # [B, H, W], with the strides of another form
    torch.testing.assert_close(carry_masks(record, turned), carry_masks(record, turned.contiguous()))


def test_autocast_changes_nothing_and_gradients_pass_soft_masks():
    images, labels, masks = torch.rand(4, 3, 8, 8), torch.arange(4), torch.rand(4, 1, 8, 8, requires_grad=True)
    boxes = [torch.tensor([[0.3, 0.7, 6.1, 5.9]])] * 4
    record = InBatch(CutMix(), RandomPairing()).with_record(images, labels)[2]
    expected = carry_boxes(record, boxes, list(labels.unsqueeze(1)), size=(8, 8))
    with torch.autocast("cpu", torch.bfloat16):
        found = carry_boxes(record, boxes, list(labels.unsqueeze(1)), size=(8, 8))
        carried = carry_masks(record, masks)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.visible, other.visible)
    assert carried.dtype == torch.float32
    carried.sum().backward()
    torch.testing.assert_close(masks.grad.sum(), torch.tensor(256.0))


B, L, P, M = [torch.ones(1, 4)] * 2, [torch.ones(1)] * 2, [torch.ones(1, 2)] * 2, torch.ones(2, 1, 2, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: carry_masks(M, M), TypeError, "record: expected a MixRecord, as with_record returns it, got Tensor"),
        (lambda: carry_masks(IN_BATCH, [M]), TypeError, "masks: expected a torch.Tensor, got list"),
        (lambda: carry_masks(IN_BATCH, M[:1]), ValueError, r"masks: expected \[B, K, H, W\] or .* of 2 images, got"),
        (
            lambda: carry_masks(IN_BATCH, M[..., :3]),
            ValueError,
            "masks: expected the size of the record's images, a mult",
        ),
        (lambda: carry_masks(IN_BATCH, M / 0), ValueError, "masks: expected finite values"),
        (lambda: carry_masks(IN_BATCH, M + 0j), TypeError, "masks: expected floating point, bool or int"),
        (lambda: carry_masks(IN_BATCH, M.to(torch.uint16)), TypeError, "masks: expected .* up to int64, got torch.uin"),
        (lambda: carry_masks(RECORD, M), ValueError, "others: expected the masks of the second images, as the record"),
        (lambda: carry_masks(RECORD, M, M.bool()), ValueError, "others: expected dtype torch.float32 like masks"),
        (lambda: carry_boxes(RECORD, B, L, size=SIZE), ValueError, "others, other_labels: expected both where the rec"),
        (lambda: carry_boxes(RECORD, B, L, B, size=SIZE), ValueError, "others, other_labels: expected both where"),
        (lambda: carry_boxes(IN_BATCH, M, L, size=SIZE), TypeError, "boxes: expected a sequence with boxes"),
        (lambda: carry_boxes(IN_BATCH, B[:1], L, size=SIZE), ValueError, "boxes: expected those of 2 images, got 1"),
        (lambda: carry_boxes(IN_BATCH, P, L, size=SIZE), ValueError, r"boxes: expected boxes \[n, 4\] of each image"),
        (lambda: carry_boxes(IN_BATCH, B, [L[0], L[0][:0]], size=SIZE), ValueError, "labels: expected a row for each"),
        (lambda: carry_boxes(IN_BATCH, B, [L[0], L[0].long()], size=SIZE), ValueError, "labels: expected torch.float"),
        (
            lambda: carry_boxes(RECORD, B, L, B, P, size=SIZE),
            ValueError,
            "other_labels: expected torch.float32",
        ),
        (
            lambda: carry_boxes(IN_BATCH, B, L, size=(2, 3)),
            ValueError,
            "size: expected the size of the rec",
        ),
        (lambda: carry_boxes(IN_BATCH, B, L, size=8), TypeError, "size: expected the height and width"),
        (
            lambda: carry_boxes(IN_BATCH, B, L, size=SIZE, min_visible=2),
            ValueError,
            "min_visible: expected a number",
        ),
        (lambda: carry_boxes(IN_BATCH, B, L, size=SIZE, cut=1), TypeError, "cut: expected True or False, got 1"),
        (
            lambda: carry_boxes(IN_BATCH, [torch.tensor([[3, 0, 1, 1]])] * 2, L, size=SIZE),
            ValueError,
            "boxes: expected x1 <= x2 and y1 <= y2",
        ),
        (lambda: carry_boxes(IN_BATCH, [b / 0 for b in B], L, size=SIZE), ValueError, "boxes: expected finite values"),
        (lambda: carry_points(RECORD, P, size=SIZE), ValueError, "others: expected the points of the second images"),
        (lambda: carry_points(IN_BATCH, B, size=SIZE), ValueError, r"points: expected points \[n, ..., 2\] of each"),
        (
            lambda: carry_points(RECORD, P, [P[0][None]] * 2, size=SIZE),
            ValueError,
            "others: expected torch.float32",
        ),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_what_painted_over_has_the_size_of_the_images():
    record = IN_BATCH._replace(mask=torch.ones(2, 1, 1, 1), painted=torch.zeros(2, 1, 2, 4))
    message = "expected the size of the record's images, 2x4, got 4x8"
    with pytest.raises(ValueError, match=message):
        carry_masks(record, torch.rand(2, 1, 4, 8))
    with pytest.raises(ValueError, match=message):
        carry_boxes(record, B, L, size=(4, 8))
