"""LSM against a loop over blocks and pixels."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from longtail_mix import LSM, HeadTailPairing, InBatch
from longtail_mix.functional import area_weight, block_mask, lsm, semantic_weight


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stretched(cam: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """One map [h, w] -> [H, W]: min-max, then bilinear."""
    low, high = cam.min(), cam.max()
    cam = (cam - low) / (high - low) if high > low else torch.ones_like(cam)
    return F.interpolate(cam[None, None], (height, width), mode="bilinear")[0, 0]


def by_hand(tail, head, tail_cam, head_cam, size):
    """Block by block for the image and the mask, pixel by pixel for the label; float64."""
    batch, _, height, width = tail.shape
    mixed, semantic, area = torch.zeros_like(tail), torch.zeros(batch), torch.zeros(batch)
    for b in range(batch):
        tail_map = stretched(tail_cam[b, 0], height, width)
        head_map = None if head_cam is None else stretched(head_cam[b, 0], height, width)
        kept = entered = 0.0
        for i in range(0, height, size):
            for j in range(0, width, size):
                m = tail_map[i : i + size, j : j + size].mean()
                block = (b, slice(None), slice(i, i + size), slice(j, j + size))
                mixed[block] = m * tail[block] + (1 - m) * head[block]
                area[b] += m * size**2 / (height * width)
                for y in range(i, i + size):
                    for x in range(j, j + size):
                        kept += m * tail_map[y, x]
                        entered += (1 - m) * head_map[y, x] if head_map is not None else 0.0
        semantic[b] = kept / (kept + entered)
    return mixed, area if head_cam is None else semantic, area


@settings(max_examples=25)
@given(
    batch=st.integers(0, 2),
    rows=st.integers(1, 3),
    columns=st.integers(1, 3),
    size=st.integers(1, 4),
    cam=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    with_head=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_image_and_label_equal_a_loop_over_blocks(batch, rows, columns, size, cam, with_head, seed):
    generator = seeded(seed)
    height, width = rows * size, columns * size
    cam = (min(cam[0], height), min(cam[1], width))
    tail, head = torch.rand(2, batch, 3, height, width, generator=generator, dtype=torch.float64)
    tail_cam = torch.randn(batch, 1, *cam, generator=generator, dtype=torch.float64) * 7
    head_cam = torch.randn(batch, 1, *cam, generator=generator, dtype=torch.float64) if with_head else None
    labels, other = torch.randint(9, (2, batch), generator=generator)
    arguments = (tail, labels, head, other, tail_cam, head_cam)
    before = [t.clone() for t in arguments if t is not None]
    expected, semantic, area = by_hand(tail, head, tail_cam, head_cam, size)
    mixed, target = lsm(*arguments, block_size=size)
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(target.lam.float(), semantic)
    target.check()
    assert [target.labels.tolist(), target.other.tolist()] == [labels.tolist(), other.tolist()]
    same, by_area = lsm(*arguments, block_size=size, label_weight=area_weight)
    assert torch.equal(same, mixed)
    torch.testing.assert_close(by_area.lam.float(), area)
    for tensor, copy in zip([t for t in arguments if t is not None], before, strict=True):
        assert torch.equal(tensor, copy)


@settings(max_examples=30)
@given(
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    size=st.integers(1, 3),
    scale=st.sampled_from([1e-30, 1.0, 1e30]),
    kind=st.sampled_from(["random", "flat", "zero", "one pixel"]),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
    seed=st.integers(0, 2**31),
)
def test_never_nan_and_never_outside(rows, columns, size, scale, kind, dtype, seed):
    shape = (2, 1, rows * size, columns * size)
    tail_cam, head_cam = torch.randn(2, *shape, generator=seeded(seed)) * scale
    tail_cam = (tail_cam.clamp(-6e4, 6e4) if dtype == torch.float16 else tail_cam).to(dtype)
    if kind == "flat":
        tail_cam = torch.full_like(tail_cam, scale if dtype != torch.float16 else 1.0)
    elif kind == "zero":
        tail_cam, head_cam = torch.zeros_like(tail_cam), torch.zeros_like(head_cam)
    elif kind == "one pixel":
        tail_cam = torch.zeros_like(tail_cam)
        tail_cam[..., -1, -1] = 1
    mask, full = block_mask(tail_cam, rows * size, columns * size, size)
    assert mask.shape == (2, 1, rows, columns)
    assert full.shape == shape
    assert ((mask >= 0) & (mask <= 1)).all()
    assert ((full >= 0) & (full <= 1)).all()
    tail, head = torch.ones(2, 3, *shape[2:]), torch.zeros(2, 3, *shape[2:])
    labels = torch.tensor([0, 1])
    for maps in ((tail_cam,), (tail_cam, head_cam)):
        for label_weight in (semantic_weight, area_weight):
            head_map = maps[1] if len(maps) == 2 else None
            mixed, target = lsm(tail, labels, head, labels, maps[0], head_map, size, label_weight)
            target.check(2)
            assert ((mixed >= 0) & (mixed <= 1)).all()
            if kind in ("flat", "zero"):  # nothing says where the object is: the tail as it is, and its label
                assert torch.equal(mixed, tail)
                assert target.lam.tolist() == [1, 1]
            if label_weight is area_weight or len(maps) == 1:
                torch.testing.assert_close(target.lam, mixed.mean((1, 2, 3)))


def test_the_semantic_weight_of_nothing_is_the_area():
    mask, nothing = torch.tensor([[[[0.25, 0.5]]]]), torch.zeros(1, 1, 2, 4)
    assert semantic_weight(mask, nothing, nothing).tolist() == [0.375]
    ones = torch.ones(1, 1, 2, 4)
    assert semantic_weight(mask, nothing, ones).tolist() == [0.0]
    assert semantic_weight(mask, ones, nothing).tolist() == [1.0]
    assert semantic_weight(mask, ones).tolist() == [0.375]


def test_the_label_follows_the_saliency_and_not_the_area():
    """A small object fully kept, on a head whose object is overwritten: nearly all saliency is the tail's."""
    tail_cam, head_cam = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    tail_cam[..., :2, :2] = 1
    head_cam[..., :2, :2] = 1
    images, labels = torch.rand(1, 3, 8, 8), torch.tensor([0])
    _, semantic = lsm(images, labels, images, labels + 1, tail_cam, head_cam, block_size=2)
    _, area = lsm(images, labels, images, labels + 1, tail_cam, head_cam, 2, area_weight)
    assert semantic.lam.tolist() == [1.0]
    assert area.lam.tolist() == [1 / 16]


def test_bytes_and_half_precision():
    tail, head = torch.randint(256, (2, 2, 3, 8, 8), dtype=torch.uint8)
    labels, cam = torch.tensor([0, 1]), torch.rand(2, 1, 4, 4)
    mixed, target = lsm(tail, labels, head, labels, cam)
    floats, same = lsm(tail.float(), labels, head.float(), labels, cam)
    assert torch.equal(mixed, floats.round().to(torch.uint8))
    assert torch.equal(target.lam, same.lam)
    half, target = lsm(tail.half() / 255, labels, head.half() / 255, labels, cam.half(), cam.bfloat16())
    assert half.dtype == torch.float16
    assert target.lam.dtype == torch.float32


def test_gradients_reach_images_and_maps():
    tail, head = (torch.rand(2, 2, 4, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    cams = [torch.rand(2, 1, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    labels = torch.tensor([0, 1])

    def mixed_and_lam(tail, head, tail_cam, head_cam):
        mixed, target = lsm(tail, labels, head, labels, tail_cam, head_cam, block_size=2)
        return mixed, target.lam

    assert gradcheck(mixed_and_lam, (tail, head, *cams))


def test_the_module_calls_the_function_and_draws_nothing(device):
    tail, head = torch.rand(2, 3, 3, 8, 8, device=device)
    labels, other = torch.tensor([[2, 1, 0], [0, 0, 1]], device=device)
    cams = torch.rand(2, 3, 1, 4, 4, device=device)
    generator = torch.Generator(device).manual_seed(0)
    state = generator.get_state()
    mixed, target = LSM(2, area_weight)(tail, labels, head, other, *cams, generator=generator)
    expected, expected_target = lsm(tail, labels, head, other, *cams, 2, area_weight)
    assert torch.equal(mixed, expected)
    assert torch.equal(target.lam, expected_target.lam)
    assert torch.equal(generator.get_state(), state)
    assert repr(LSM(2, area_weight)) == "LSM(block_size=2, label_weight=area_weight)"


def test_in_one_batch_the_tail_comes_first():
    images, labels, cams = torch.rand(4, 3, 8, 8), torch.tensor([0, 0, 1, 2]), torch.rand(4, 1, 4, 4)
    pairing = HeadTailPairing([90, 9, 1], tail_classes=[2], head_classes=[1])
    mixed, target = InBatch(LSM(), pairing)(images, labels, cams)
    alone, alone_target = lsm(images[3:], labels[3:], images[2:3], labels[2:3], cams[3:], cams[2:3])
    assert torch.equal(mixed[:3], images[:3])
    torch.testing.assert_close(mixed[3:], alone)
    torch.testing.assert_close(target.lam[3:], alone_target.lam)
    assert target.lam[:3].tolist() == [1, 1, 1]
    assert target.other.tolist() == [0, 0, 1, 1]


def test_a_label_weight_of_ones_own():
    images, labels = torch.rand(1, 3, 4, 4), torch.tensor([0])
    kept = LSM(4, lambda mask, _tail_map, _head_map: (mask.mean((1, 2, 3)) > 0).float())
    assert kept(images, labels, images, labels, torch.rand(1, 1, 4, 4))[1].lam.tolist() == [1.0]


X = torch.rand(2, 3, 8, 8)
Y = torch.tensor([0, 1])
CAM = torch.rand(2, 1, 4, 4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((X, Y, X, Y, CAM[:1]), ValueError, "tail_cam: expected one map for each of 2 images, got 1"),
        ((X, Y, X, Y, None), TypeError, "tail_cam: expected a torch.Tensor, got NoneType"),
        ((X, Y, X, Y, X), ValueError, r"tail_cam: expected maps \[B, 1, H, W\], got shape \[2, 3, 8, 8\]"),
        ((X, Y, X, Y, CAM.long()), TypeError, "tail_cam: expected a floating-point tensor, got torch.int64"),
        ((X, Y, X, Y, CAM * math.nan), ValueError, "tail_cam: expected finite values"),
        ((X, Y, X, Y, CAM.to("meta")), ValueError, "tail_cam: expected device cpu like tail, got meta"),
        (
            (X, Y, X, Y, torch.rand(2, 1, 9, 8)),
            ValueError,
            "tail_cam: expected maps of at most 8x8 like the .* got 9x8",
        ),
        (
            (X, Y, X, Y, torch.rand(2, 1, 8, 9)),
            ValueError,
            "tail_cam: expected maps of at most 8x8 like the .* got 8x9",
        ),
        ((X, Y, X, Y, CAM, CAM[:1]), ValueError, "head_cam: expected one map for each of 2 images, got 1"),
        ((X, Y, X, Y, CAM, CAM / 0), ValueError, "head_cam: expected finite values"),
        ((X, Y, X, Y, CAM, None, 3), ValueError, "tail: expected height and width divisible by the .* 3, got 8x8"),
        ((X, Y, X, Y, CAM, None, 0), ValueError, "block_size: expected at least 1, got 0"),
        ((X, Y, X[..., :4], Y, CAM), ValueError, r"head: expected shape \[2, 3, 8, 8\] like tail, got \[2, 3, 8, 4\]"),
        ((X, Y, X, Y[:1], CAM), ValueError, "head_labels: expected one for each of 2 images, got 1"),
        ((X * math.nan, Y, X, Y, CAM), ValueError, "tail: expected finite values"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        lsm(*arguments)


MASK = torch.rand(2, 1, 2, 2)
MAP = torch.rand(2, 1, 4, 4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((MASK + 1, MAP, MAP), ValueError, r"mask: expected values in \[0, 1\]"),
        ((MASK + 1, MAP), ValueError, r"mask: expected values in \[0, 1\]"),
        ((MASK[:1], MAP, MAP), ValueError, r"mask: expected a grid that divides \[2, 1, 4, 4\], got \[1, 1, 2, 2\]"),
        ((torch.rand(2, 1, 3, 2), MAP, MAP), ValueError, r"mask: expected a grid that divides \[2, 1, 4, 4\]"),
        ((MASK, MAP, MAP[..., :2]), ValueError, "head_map: expected shape"),
        ((MASK, MAP - 1, MAP), ValueError, "tail_map: expected values of at least 0, got -"),
        ((MASK, MAP, -MAP), ValueError, "head_map: expected values of at least 0, got -"),
        ((MASK, X, X), ValueError, r"tail_map: expected maps \[B, 1, H, W\]"),
        ((MASK.to("meta"), MAP, MAP), ValueError, "tail_map: expected device meta like mask, got cpu"),
    ],
)
def test_bad_weights(arguments, error, message):
    with pytest.raises(error, match=message):
        semantic_weight(*arguments)


def test_bad_maps_and_options():
    with pytest.raises(ValueError, match="cam: expected a map of at most 3x8 like the image, got 4x4"):
        block_mask(CAM, 3, 8, 1)
    with pytest.raises(ValueError, match="divisible by the patch size 3, got 8x8"):
        block_mask(CAM, 8, 8, 3)
    with pytest.raises(TypeError, match="label_weight: expected a function of mask and maps, got 'area'"):
        LSM(label_weight="area")
    with pytest.raises(ValueError, match="block_size: expected at least 1, got 0"):
        LSM(0)
