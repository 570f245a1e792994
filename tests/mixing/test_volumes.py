"""Volumes [B, C, D, H, W]: mixed as their voxels say, or told the way out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail_mix import (
    CMO,
    BalancedMixUp,
    CutMix,
    FMix,
    HeadTailPairing,
    InBatch,
    MixRecord,
    MixUp,
    OneOf,
    PatchMixup,
    RandomPairing,
    Remix,
    ResizeMix,
    Sometimes,
    SPMix,
    UniMix,
)
from longtail_mix.functional import boxes_around, cutmix, mixup, patch_mixup, random_boxes

LABELS = torch.tensor([0, 0, 1, 1])
COUNTS = [9, 1]
TAKING = [
    MixUp(),
    CutMix(),
    BalancedMixUp(),
    Remix(COUNTS),
    UniMix(COUNTS),
    CMO(),
    Sometimes(CutMix(), 0.5),
    OneOf([MixUp(), CutMix()]),
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def some(*shape, seed=0):
    return torch.rand(shape, generator=seeded(seed))


@pytest.mark.parametrize("mix", TAKING, ids=lambda mix: type(mix).__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8])
def test_a_volume_is_mixed_voxel_by_voxel(mix, dtype):
    volumes = (some(4, 2, 5, 6, 7) * 255).to(dtype)
    in_batch = InBatch(mix, RandomPairing())
    mixed, target, record = in_batch.with_record(volumes, LABELS, generator=seeded(1))
    assert mixed.dtype == dtype
    assert mixed.shape == volumes.shape
    share = record.share(5, 6, 7).double()
    blended = share * volumes + (1 - share) * volumes[record.partner]
    expected = blended.round() if dtype == torch.uint8 else blended
    torch.testing.assert_close(mixed.double(), expected, atol=1e-3 if dtype == torch.float32 else 1e-9, rtol=0)
    again, same = in_batch(volumes, LABELS, generator=seeded(1))
    assert torch.equal(again, mixed)
    assert torch.equal(same.lam, target.lam)
    assert torch.equal(in_batch.eval()(volumes, LABELS)[0], volumes)
    in_batch.train()


@pytest.mark.parametrize("mix", [MixUp(), CutMix()])
def test_a_volume_of_one_slice_is_an_image_for_mixup(mix):
    volumes = some(3, 2, 1, 8, 8)
    pairs = (volumes, LABELS[:3], volumes.flip(0), LABELS[:3])
    images = (volumes[:, :, 0], LABELS[:3], volumes.flip(0)[:, :, 0], LABELS[:3])
    lam = torch.tensor([0.2, 0.5, 1.0])
    if isinstance(mix, MixUp):
        torch.testing.assert_close(mixup(*pairs, lam)[0][:, :, 0], mixup(*images, lam)[0])
        return
    flat = torch.tensor([[1, 2, 5, 6], [0, 0, 8, 8], [3, 3, 3, 3]])
    deep = torch.stack([*flat[:, :2].unbind(1), 0 * flat[:, 0], *flat[:, 2:].unbind(1), 1 + 0 * flat[:, 0]], 1)
    (mixed, target), (expected, of_images) = cutmix(*pairs, deep), cutmix(*images, flat)
    assert torch.equal(mixed[:, :, 0], expected)
    assert torch.equal(target.lam, of_images.lam)


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(*[st.integers(1, 7)] * 3),
    lam=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
def test_cutmix_pastes_a_box_of_three_dimensions(size, lam, seed):
    depth, height, width = size
    boxes = random_boxes(torch.tensor(lam), height, width, seeded(seed), depth)
    first, second = torch.zeros(len(lam), 1, *size), torch.ones(len(lam), 1, *size)
    labels = torch.zeros(len(lam), dtype=torch.long)
    mixed, target = cutmix(first, labels, second, labels + 1, boxes)
    for i, (x1, y1, z1, x2, y2, z2) in enumerate(boxes.tolist()):
        assert 0 <= x1 <= x2 <= width
        assert 0 <= y1 <= y2 <= height
        assert 0 <= z1 <= z2 <= depth
        expected = first[i].clone()
        expected[:, z1:z2, y1:y2, x1:x2] = second[i, :, z1:z2, y1:y2, x1:x2]
        assert torch.equal(mixed[i], expected)
        torch.testing.assert_close(target.lam[i], 1 - expected.mean())


def test_a_box_has_the_cube_root_of_what_goes_for_its_sides():
    box = boxes_around(torch.tensor([[8, 8, 4]]), torch.tensor([1 - 0.5**3]), 16, 16, 8)
    assert box.tolist() == [[4, 4, 2, 12, 12, 6]]


@settings(max_examples=25, deadline=None)
@given(
    grid=st.tuples(*[st.integers(1, 3)] * 3),
    patch=st.tuples(*[st.integers(1, 3)] * 3),
    picked=st.booleans(),
    dtype=st.sampled_from([torch.float64, torch.uint8]),
    seed=st.integers(0, 99),
)
def test_patch_mixup_of_cubes(grid, patch, picked, dtype, seed):
    size = [cells * side for cells, side in zip(grid, patch, strict=True)]
    tail, head = (some(2, 3, 2, *size, seed=seed).double() * 255).to(dtype)
    ratio = some(3, 1, *grid, seed=seed + 1).double()
    index = (torch.tensor([2, 0, 1]), torch.tensor([1, 1, 0])) if picked else (None, None)
    mixed = patch_mixup(tail, head, ratio, 0, *index)
    of_tail, of_head = (i.tolist() if picked else range(3) for i in index)
    for m in range(3):
        for z in range(size[0]):
            for y in range(size[1]):
                for x in range(size[2]):
                    r = ratio[m, 0, z // patch[0], y // patch[1], x // patch[2]]
                    t, h = tail[of_tail[m], :, z, y, x].double(), head[of_head[m], :, z, y, x].double()
                    expected = r * t + (1 - r) * h
                    atol = 0.501 if dtype == torch.uint8 else 1e-9
                    torch.testing.assert_close(mixed[m, :, z, y, x].double(), expected, atol=atol, rtol=0)


def test_gradients_of_cubes():
    tail, head, ratio = (
        t.double().requires_grad_() for t in (some(2, 1, 2, 4, 2), some(2, 1, 2, 4, 2), some(2, 1, 1, 2, 1))
    )
    assert torch.autograd.gradcheck(PatchMixup(), (tail, head, ratio))


def test_memory_format_and_one_graph():
    tail, head, ratio = some(2, 3, 4, 4, 4), some(2, 3, 4, 4, 4, seed=1), some(2, 1, 2, 2, 2)
    expected = patch_mixup(tail, head, ratio)
    last = patch_mixup(*(t.contiguous(memory_format=torch.channels_last_3d) for t in (tail, head)), ratio)
    assert torch.equal(last, expected)
    assert last.is_contiguous(memory_format=torch.channels_last_3d)
    compiled = torch.compile(PatchMixup(), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(tail, head, ratio), expected)


def test_records_of_volumes_carry_masks():
    record = MixRecord(torch.tensor([0.9, 0.1]).view(1, 1, 2, 1, 1), torch.tensor([0.5]))
    first, second = torch.full((1, 1, 2, 1, 1), 3), torch.full((1, 1, 2, 1, 1), 7)
    assert record.carry(first, second).flatten().tolist() == [3, 7]
    torch.testing.assert_close(record.blend(first.float(), second.float()).flatten(), torch.tensor([3.4, 6.6]))
    with pytest.raises(ValueError, match="height, width: expected multiples of the mask's 2x1x1, got 4x4"):
        record.share(4, 4)


@pytest.mark.parametrize(
    "mix", [InBatch(FMix(), RandomPairing()), InBatch(OneOf([MixUp(), ResizeMix()]), RandomPairing()), SPMix(COUNTS)]
)
def test_other_mixes_name_the_way_out(mix):
    with pytest.raises(
        ValueError, match=r"\[B, C, H, W\], got shape .*; CutMix and MixUp take volumes, others flatten\(1, 2"
    ):
        mix(some(4, 1, 4, 32, 32), LABELS)


def test_the_way_out_works():
    volumes = some(4, 2, 5, 8, 8)
    mixed, _, record = InBatch(FMix(), RandomPairing()).with_record(volumes.flatten(1, 2), LABELS)
    mixed, share = mixed.unflatten(1, (2, 5)), record.share(8, 8).float()
    for depth in range(5):  # every slice alike
        expected = share * volumes[:, :, depth] + (1 - share) * volumes[record.partner][:, :, depth]
        torch.testing.assert_close(mixed[:, :, depth], expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda v: MixUp()(v[0, 0], LABELS, v[0, 0], LABELS),
            r"first: .*\] or volumes \[B, C, D, H, W\], got shape \[4",
        ),
        (lambda v: MixUp()(v[:, :, :0], LABELS, v[:, :, :0], LABELS), "first: expected at least one pixel"),
        (
            lambda v: cutmix(v, LABELS, v, LABELS, torch.ones(4, 4).long()),
            r"boxes: expected one \(x1, y1, z1, x2, y2, z",
        ),
        (lambda v: cutmix(v, LABELS, v, LABELS, torch.tensor([[0, 0, 3, 1, 1, 1]] * 4)), r"boxes: expected x1 <= x2"),
        (
            lambda v: patch_mixup(v, v, some(4, 1, 2, 2)),
            r"ratio: expected \[B, 1, d, h, w\] .*; a ratio.unsqueeze\(2\)",
        ),
        (
            lambda v: patch_mixup(v[:, :, 0], v[:, :, 0], some(4, 1, 2, 2, 2)),
            r"ratio: expected \[B, 1, d, h, w\] for vo",
        ),
        (lambda v: patch_mixup(v, v, some(4, 1, 3, 2, 2)), "ratio: expected a grid that divides 4x8x8, got 3x2x2"),
        (lambda v: patch_mixup(v, v, some(4, 1, 2, 2, 2), 1), "num_prefix_tokens: expected 0 for images"),
        (
            lambda _: boxes_around(torch.ones(1, 2).long(), torch.ones(1), 4, 4, 4),
            r"centres: expected integers \[B, 3\]",
        ),
        (lambda _: boxes_around(torch.ones(1, 3).long(), torch.ones(1), 4, 4, 1), r"centres: expected pixels of an im"),
    ],
)
def test_what_does_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call(some(4, 1, 4, 8, 8))


def test_all_slices_alike():
    volumes, ratio = some(4, 1, 4, 8, 8), some(4, 1, 2, 2)
    mixed = patch_mixup(volumes, volumes.flip(0), ratio.unsqueeze(2))
    for z in range(4):
        torch.testing.assert_close(mixed[:, :, z], patch_mixup(volumes[:, :, z], volumes.flip(0)[:, :, z], ratio))


def test_class_aware_pairings_take_volumes():
    volumes = some(4, 1, 2, 4, 4)
    mixed, target = InBatch(CutMix(), HeadTailPairing(COUNTS))(volumes, LABELS)
    assert torch.equal(mixed[:2], volumes[:2])
    assert target.other.tolist()[:2] == [0, 0]
