"""Masks, boxes and points go where each mix puts their images: against loops over pixels."""

from math import floor

import pytest
import torch

from longtail_mix import InBatch, MixRecord, OtherSkin, PuzzleMix, RandomPairing, ResizeMix, SPMix
from longtail_mix.functional import carry_boxes, carry_masks, carry_points
from tests.mixing.carry.by_hand import (
    SHARES,
    bilinear,
    carried_box,
    first_share,
    moved,
    nearest,
    source_of,
)
from tests.mixing.mixes import MIXES, WITH_MAPS, seeded, some_pairs

HEIGHT, WIDTH, NUMBER = 8, 12, 3
EVERY = {**{f"{name}, maps": make for name, make in WITH_MAPS.items()}, **MIXES}
EACH = pytest.mark.parametrize("name", EVERY)
IN_ONE_PIECE = pytest.mark.parametrize("name", [name for name in EVERY if not name.startswith("PuzzleMix")])


def mixed_by(name: str, seed: int = 1):
    """Pairs, what the mix made of them, and its record."""
    pairs = [t[:NUMBER] for t in some_pairs(NUMBER)]
    maps = torch.rand(2, NUMBER, 1, HEIGHT, WIDTH, generator=seeded(5)) if "maps" in name else ()
    return pairs, EVERY[name]().with_record(*pairs, *maps, generator=seeded(seed))


def some_boxes(seed: int):
    """Boxes of whole pixels and of fractions; the last image has none."""
    draw = torch.rand(NUMBER, 4, 4, generator=seeded(seed)) * torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])
    low, high = torch.minimum(draw[..., :2], draw[..., 2:]), torch.maximum(draw[..., :2], draw[..., 2:])
    boxes = torch.cat([low, high], -1)
    boxes[:, :2] = torch.cat([low.floor(), high.ceil()], -1)[:, :2]
    return [*boxes[:-1], torch.zeros(0, 4)], [torch.arange(4)] * (NUMBER - 1) + [torch.arange(0)]


@pytest.mark.parametrize("name", sorted(EVERY.keys() - {"OtherSkin, maps"}))  # it changes an image before it mixes
def test_the_images_themselves(name):
    (first, _, second, _), (images, _, record) = mixed_by(name)
    for b in range(NUMBER):
        for y in range(HEIGHT):
            for x in range(WIDTH):
                share = first_share(record, b, y, x, HEIGHT, WIDTH)
                for c in range(3):
                    one, other = (
                        bilinear(of[b, c], source_of(record, which, b, y, x, HEIGHT, WIDTH))
                        for of, which in ((first, "first"), (second, "second"))
                    )
                    assert images[b, c, y, x].item() == pytest.approx(share * one + (1 - share) * other, abs=2e-5)


@EACH
def test_masks(name):
    _, (_, _, record) = mixed_by(name)
    masks = torch.rand(2, NUMBER, 2, HEIGHT, WIDTH, generator=seeded(2))
    classes = torch.randint(1, 9, (2, NUMBER, HEIGHT, WIDTH), generator=seeded(3))
    soft, hard = carry_masks(record, *masks), carry_masks(record, *classes)
    assert (soft.dtype, hard.dtype) == (torch.float32, torch.int64)
    for b in range(NUMBER):
        painted = 0 if record.painted is None else record.painted[b, 0]
        for y in range(HEIGHT):
            for x in range(WIDTH):
                share = first_share(record, b, y, x, HEIGHT, WIDTH)
                here, there = (source_of(record, which, b, y, x, HEIGHT, WIDTH) for which in ("first", "second"))
                for k in range(2):
                    expected = share * bilinear(masks[0, b, k], here)
                    expected += (1 - share) * bilinear(masks[1, b, k] * (1 - painted), there)
                    assert soft[b, k, y, x].item() == pytest.approx(expected, abs=2e-5)
                hidden = classes[1, b] * (torch.as_tensor(painted) < 0.5)
                assert hard[b, y, x].item() == (
                    nearest(classes[0, b], here) if share >= 0.5 else nearest(hidden, there)
                )


@IN_ONE_PIECE
@pytest.mark.parametrize("cut", [False, True])
def test_boxes(name, cut):
    _, (_, _, record) = mixed_by(name)
    (boxes, labels), (others, other_labels) = some_boxes(2), some_boxes(3)
    result = carry_boxes(record, boxes, labels, others, other_labels, size=(HEIGHT, WIDTH), min_visible=0.25, cut=cut)
    for b in range(NUMBER):
        expected = [
            (*carried_box(record, which, b, box.double().tolist(), HEIGHT, WIDTH, cut), label)
            for which, of in (("first", (boxes, labels)), ("second", (others, other_labels)))
            for box, label in zip(of[0][b], of[1][b].tolist(), strict=True)
        ]
        kept = [(box, visible, label) for box, visible, label in expected if visible >= 0.25 - 1e-4]
        assert result[b].labels.tolist() == [label for _, _, label in kept]
        for i, (box, visible, _) in enumerate(kept):
            assert result[b].boxes[i].tolist() == pytest.approx(box, abs=2e-4)
            assert result[b].visible[i].item() == pytest.approx(visible, abs=2e-5)


@IN_ONE_PIECE
def test_points(name):
    _, (_, _, record) = mixed_by(name)
    points = torch.rand(2, NUMBER, 5, 2, generator=seeded(4)) * torch.tensor([WIDTH, HEIGHT])
    result = carry_points(record, list(points[0]), list(points[1]), size=(HEIGHT, WIDTH))
    for b in range(NUMBER):
        for i in range(10):
            which = ("first", "second")[i // 5]
            x, y = moved(record, which, b, *points[i // 5, b, i % 5].tolist())
            assert result[b].points[i].tolist() == pytest.approx((x, y), abs=2e-4)
            is_inside = 0 <= x < WIDTH and 0 <= y < HEIGHT
            share = SHARES[which](record, b, floor(y), floor(x), HEIGHT, WIDTH) if is_inside else 0.0
            assert result[b].visible[i].item() == pytest.approx(share, abs=2e-5)


def test_a_box_whose_blocks_changed_places_is_none():
    pairs, boxes, labels = some_pairs(NUMBER), *some_boxes(2)
    _, _, record = PuzzleMix(4).with_record(*pairs, *torch.rand(2, NUMBER, 1, HEIGHT, WIDTH))
    with pytest.raises(ValueError, match="record: expected first_affine beside first_grid, got None"):
        carry_boxes(record, boxes, labels, boxes, labels, size=(HEIGHT, WIDTH))
    _, _, record = PuzzleMix(4, xi=None).with_record(*pairs, *torch.rand(2, NUMBER, 1, HEIGHT, WIDTH))
    assert carry_boxes(record, boxes, labels, boxes, labels, size=(HEIGHT, WIDTH))


@pytest.mark.parametrize("name", ["ResizeMix", "SnapMix", "CopyPaste", "OneOf"])
def test_a_box_goes_where_the_pixels_in_it_go(name):
    moving = 0
    for seed in range(8):
        _, (_, _, record) = mixed_by(name, seed)
        for which in ("first", "second"):
            if getattr(record, f"{which}_affine") is None:
                continue
            box = torch.tensor([2, 1, 7, 6])
            inside = torch.zeros(NUMBER, 1, HEIGHT, WIDTH, dtype=torch.bool)
            inside[..., 1:6, 2:7] = True
            others = torch.zeros_like(inside)
            share = record.share(HEIGHT, WIDTH)
            of_image = share >= 0.5 if share.is_floating_point() else share
            shown = carry_masks(record, inside, others) if which == "first" else carry_masks(record, others, inside)
            for b in range(NUMBER):
                (x1, y1, x2, y2), _ = carried_box(record, which, b, box.tolist(), HEIGHT, WIDTH, cut=False)
                upright = record.first_affine is None or record.first_affine[b, 0, 1] == 0
                for y in range(HEIGHT):
                    for x in range(WIDTH):
                        if of_image[b, 0, y, x] != (which == "first"):
                            continue
                        near = min(abs(x + 0.5 - edge) for edge in (x1, x2)), min(abs(y + 0.5 - e) for e in (y1, y2))
                        in_box = x1 < x + 0.5 < x2 and y1 < y + 0.5 < y2
                        if min(near) > 1e-3 and (upright or shown[b, 0, y, x]):
                            assert shown[b, 0, y, x] == in_box
                            moving += 1
    assert moving > 100


@EACH
def test_the_record_of_a_generator_is_always_the_same(name):
    _, (_, _, record) = mixed_by(name)
    _, (_, _, again) = mixed_by(name)
    for one, other in zip(record, again, strict=True):
        assert (one is None and other is None) or torch.equal(one, other)


@EACH
def test_in_evaluation_mode_all_stays(name):
    pairs = [t[:NUMBER] for t in some_pairs(NUMBER)]
    maps = torch.rand(2, NUMBER, 1, HEIGHT, WIDTH) if "maps" in name else ()
    record = EVERY[name]().eval().with_record(*pairs, *maps)[2]
    masks, (boxes, labels) = torch.rand(2, NUMBER, 1, HEIGHT, WIDTH), some_boxes(0)
    assert torch.equal(carry_masks(record, *masks), masks[0])
    found = carry_boxes(record, boxes, labels, boxes, labels, size=(HEIGHT, WIDTH))
    for own, its_labels, after in zip(boxes, labels, found, strict=True):
        assert torch.equal(after.boxes, own)
        assert torch.equal(after.labels, its_labels)
        torch.testing.assert_close(after.visible, torch.ones(len(own)))


@pytest.mark.parametrize("mix", [InBatch(ResizeMix(), RandomPairing()), SPMix([2, 1, 1], patch_size=4)])
def test_in_a_batch_the_partner_is_known(mix):
    images, labels = torch.rand(4, 3, HEIGHT, WIDTH, generator=seeded(0)), torch.tensor([0, 0, 1, 2])
    record = mix.with_record(images, labels, generator=seeded(1))[2]
    masks = torch.randint(9, (4, HEIGHT, WIDTH))
    boxes, names, points = (
        [torch.rand(i, 2) for i in range(4)],
        [torch.arange(i) for i in range(4)],
        torch.rand(4, 3, 2),
    )
    boxes = [torch.cat([b, b + 3], 1) for b in boxes]
    of_partner = record.partner.tolist()
    partners = [[rows[i] for i in of_partner] for rows in (boxes, names, points)]
    assert torch.equal(carry_masks(record, masks), carry_masks(record, masks, masks[record.partner]))
    size = (HEIGHT, WIDTH)
    for here, there in (
        (carry_boxes(record, boxes, names, size=size), carry_boxes(record, boxes, names, *partners[:2], size=size)),
        (carry_points(record, list(points), size=size), carry_points(record, list(points), partners[2], size=size)),
    ):
        for one, other in zip(here, there, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_lesion_that_was_painted_over_is_nowhere():
    first, labels, second, other_labels = (t[:1] for t in some_pairs(1))
    lesions = torch.zeros(2, 1, 1, HEIGHT, WIDTH)
    lesions[0, ..., 1:3, 1:3] = lesions[1, ..., 4:7, 6:10] = 1
    record = OtherSkin().with_record(first, labels, second, other_labels, *lesions)[2]
    assert torch.equal(carry_masks(record, *lesions), lesions[0])
    assert torch.equal(carry_masks(record, *lesions.bool()), lesions[0].bool())
    boxes = [torch.tensor([[1, 1, 3, 3]])], [torch.tensor([7])]
    others = [torch.tensor([[6, 4, 10, 7], [0, 4, 4, 8]])], [torch.tensor([8, 9])]
    (found,) = carry_boxes(record, *boxes, *others, size=(HEIGHT, WIDTH))
    assert found.labels.tolist() == [7, 9]
    assert found.visible.tolist() == [1, 1]


def test_a_mix_that_does_not_say_where_it_moves_to():
    grid = torch.zeros(1, 4, 4, 2)
    record = MixRecord(torch.ones(1, 1, 1, 1), torch.ones(1), None, grid, torch.zeros(1, dtype=torch.int64))
    assert carry_masks(record, torch.ones(1, 4, 4)).shape == (1, 4, 4)
    with pytest.raises(ValueError, match="record: expected second_affine beside second_grid, got None"):
        carry_points(record, [torch.ones(1, 2)], size=(4, 4))
    with pytest.raises(ValueError, match="record: expected second_affine beside second_grid, got None"):
        carry_boxes(record, [torch.ones(1, 4)], [torch.ones(1)], size=(4, 4))
