import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.library import opcheck

from longtail_mix import PatchMixup
from longtail_mix.functional import patch_mixup
from longtail_mix.mixing.patch._patch_op import patch_mix, patch_mix_backward


def by_hand(tail: torch.Tensor, head: torch.Tensor, ratio: torch.Tensor) -> torch.Tensor:
    """Patch by patch, [B,C,H,W]."""
    rows, columns = ratio.shape[-2:]
    height, width = tail.shape[-2] // rows, tail.shape[-1] // columns
    mixed = torch.zeros_like(tail)
    for b in range(len(tail)):
        for i in range(rows):
            for j in range(columns):
                patch = (b, slice(None), slice(i * height, (i + 1) * height), slice(j * width, (j + 1) * width))
                r = ratio[b, 0, i, j]
                mixed[patch] = r * tail[patch] + (1 - r) * head[patch]
    return mixed


@pytest.mark.parametrize(
    ("shape", "grid"),
    [
        ((2, 3, 8, 12), (2, 3)),
        ((1, 1, 1, 1), (1, 1)),
        ((3, 5, 7, 7), (7, 7)),
        ((2, 2, 6, 10), (1, 5)),
        ((0, 3, 4, 4), (2, 2)),
    ],
)
def test_equals_a_loop_over_patches(shape, grid, device):
    tail, head = torch.rand(2, *shape, dtype=torch.float64, device=device)
    ratio = torch.rand(shape[0], 1, *grid, dtype=torch.float64, device=device)
    torch.testing.assert_close(PatchMixup()(tail, head, ratio), by_hand(tail, head, ratio))


@pytest.mark.parametrize("prefix", [0, 1, 3])
def test_tokens_equal_the_feature_map_they_come_from_and_prefixes_stay(prefix, device):
    tail, head = torch.rand(2, 2, 5, 3, 4, device=device)
    ratio = torch.rand(2, 1, 3, 4, device=device)
    expected = patch_mixup(tail, head, ratio).flatten(2).transpose(1, 2)
    tail_prefix, head_prefix = torch.rand(2, 2, prefix, 5, device=device)
    tail_tokens = torch.cat([tail_prefix, tail.flatten(2).transpose(1, 2)], 1)
    head_tokens = torch.cat([head_prefix, head.flatten(2).transpose(1, 2)], 1)
    mixed = PatchMixup(prefix)(tail_tokens, head_tokens, ratio)
    assert torch.equal(mixed[:, :prefix], tail_prefix)
    assert torch.equal(mixed[:, prefix:], expected)


@given(
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    size=st.integers(1, 5),
    batch=st.integers(0, 3),
    scale=st.sampled_from([1e-30, 1.0, 1e30]),
    seed=st.integers(0, 2**31),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
)
def test_invariants(rows, columns, size, batch, scale, seed, dtype):
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, 2, rows * size, columns * size)
    tail, head = (torch.randn(2, *shape, generator=generator) * scale).to(dtype)
    ratio = torch.rand(batch, 1, rows, columns, generator=generator)
    before = [t.clone() for t in (tail, head, ratio)]
    mixed = patch_mixup(tail, head, ratio)
    assert mixed.dtype == dtype
    assert ((mixed >= torch.minimum(tail, head)) & (mixed <= torch.maximum(tail, head))).all()
    assert torch.equal(patch_mixup(tail, head, torch.ones_like(ratio)), tail)
    assert torch.equal(patch_mixup(tail, head, torch.zeros_like(ratio)), head)
    assert torch.equal(patch_mixup(tail, tail.clone(), ratio), tail)
    for argument, copy in zip((tail, head, ratio), before, strict=True):
        assert torch.equal(argument, copy)


def test_bytes_are_mixed_in_float_and_rounded(device):
    tail, head = torch.randint(0, 256, (2, 2, 3, 4, 4), dtype=torch.uint8, device=device)
    ratio = torch.rand(2, 1, 2, 2, device=device)
    mixed = patch_mixup(tail, head, ratio)
    assert mixed.dtype == torch.uint8
    assert torch.equal(mixed, patch_mixup(tail.float(), head.float(), ratio).round().to(torch.uint8))


def test_gradcheck_first_and_second_order():
    tail, head = (torch.rand(2, 2, 4, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    ratio = torch.rand(2, 1, 2, 2, dtype=torch.float64).mul(0.8).add(0.1).requires_grad_()
    assert gradcheck(patch_mixup, (tail, head, ratio))
    assert gradgradcheck(patch_mixup, (tail, head, ratio))
    tokens = tail.detach().flatten(2).transpose(1, 2).requires_grad_()
    other = head.detach().flatten(2).transpose(1, 2).requires_grad_()
    grid = torch.rand(2, 1, 3, 5, dtype=torch.float64).mul(0.8).add(0.1).requires_grad_()
    assert gradcheck(lambda t, h, r: patch_mixup(t, h, r, 1), (tokens, other, grid))


def test_gradients_are_the_obvious_ones(device):
    tail, head = (torch.rand(1, 3, 4, 4, device=device, requires_grad=True) for _ in range(2))
    ratio = torch.rand(1, 1, 2, 2, device=device, requires_grad=True)
    patch_mixup(tail, head, ratio).sum().backward()
    spread = ratio.detach().repeat_interleave(2, -1).repeat_interleave(2, -2).expand(1, 3, 4, 4)
    torch.testing.assert_close(tail.grad, spread)
    torch.testing.assert_close(head.grad, 1 - spread)
    difference = (tail - head).detach().view(1, 3, 2, 2, 2, 2).sum((1, 3, 5)).unsqueeze(1)
    torch.testing.assert_close(ratio.grad, difference)


@pytest.mark.parametrize("tail_index", [None, [1, 1, 0], [0, 1, 2]])
@pytest.mark.parametrize("head_index", [None, [2, 2, 1]])
@pytest.mark.parametrize(("shape", "prefix"), [((2, 4, 4), 0), ((6, 2), 2)])
def test_indices_pick_the_pairs(tail_index, head_index, shape, prefix, device):
    tail, head = torch.rand(2, 3, *shape, dtype=torch.float64, device=device)
    ratio = torch.rand(3, 1, 2, 2, dtype=torch.float64, device=device)
    t, h = (None if i is None else torch.tensor(i, device=device) for i in (tail_index, head_index))
    expected = patch_mixup(tail if t is None else tail[t], head if h is None else head[h], ratio, prefix)
    assert torch.equal(patch_mixup(tail, head, ratio, prefix, t, h), expected)
    before = tail.clone(), head.clone()
    gradients = [x.clone().requires_grad_() for x in (tail, head, ratio)]
    assert torch.equal(patch_mixup(*gradients, prefix, t, h), expected)
    assert torch.equal(tail, before[0])
    assert torch.equal(head, before[1])
    if tail_index is not None and head_index is not None:
        longer = torch.cat([head, head])  # two streams need not be of one length
        assert torch.equal(patch_mixup(tail, longer, ratio, prefix, t, h + 3), expected)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # inside PyTorch's own check
@pytest.mark.parametrize(("shape", "prefix"), [((2, 4, 4), 0), ((6, 2), 2)])
def test_the_operation_without_a_kernel_is_the_reference(shape, prefix):
    tail, head = torch.rand(2, 3, *shape, dtype=torch.float64).unbind(0)
    ratio = torch.rand(3, 1, 2, 2, dtype=torch.float64)
    index = torch.tensor([2, 2, 0])
    grad = torch.rand_like(tail)
    for t, h in ((None, None), (index, None), (None, index), (index, index.flip(0))):
        inputs = [x.clone().requires_grad_() for x in (tail, head, ratio)]
        mixed = patch_mixup(*inputs, prefix, t, h)
        expected = torch.autograd.grad(mixed, inputs, grad)
        assert torch.equal(patch_mix(tail, head, ratio, t, h, prefix), mixed)
        gradients = patch_mix_backward(grad, tail, head, ratio, t, h, prefix, [True, True, True])
        torch.testing.assert_close(gradients, expected)
        assert not patch_mix_backward(grad, tail, head, ratio, t, h, prefix, [False, False, False])[0].numel()
    opcheck(patch_mix, (*(x.clone().requires_grad_() for x in (tail, head, ratio)), index, None, prefix))
    opcheck(patch_mix_backward, (grad, tail, head, ratio, None, index, prefix, [True, False, True]))
    assert gradgradcheck(lambda *x: patch_mix(*x, index, index.flip(0), prefix), inputs, fast_mode=True)


def test_memory_format_is_kept(device):
    tail, head = torch.rand(2, 2, 8, 6, 6, device=device)
    ratio = torch.rand(2, 1, 3, 3, device=device)
    expected = patch_mixup(tail, head, ratio)
    last = [t.to(memory_format=torch.channels_last) for t in (tail, head)]
    mixed = patch_mixup(*last, ratio)
    assert mixed.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(mixed, expected)
    assert torch.equal(patch_mixup(tail.transpose(2, 3), head.transpose(2, 3), ratio.mT), expected.transpose(2, 3))


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 17, 6)])
def test_compiles_as_one_graph_with_gradients(shape, device):
    module = PatchMixup(num_prefix_tokens=1 if len(shape) == 3 else 0)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    grads = []
    for run in (module, compiled):
        torch.manual_seed(0)
        inputs = [torch.rand(shape, device=device, requires_grad=True) for _ in range(2)]
        inputs.append(torch.rand(2, 1, 4, 4, device=device, requires_grad=True))
        run(*inputs).square().sum().backward()
        grads.append([i.grad for i in inputs])
    torch.testing.assert_close(grads[1], grads[0])


def test_autocast_keeps_the_dtype_of_the_features(device):
    tail, head = torch.rand(2, 1, 2, 4, 4, device=device)
    ratio = torch.rand(1, 1, 2, 2, device=device)
    expected = patch_mixup(tail, head, ratio)
    with torch.autocast(device.type, torch.bfloat16):
        assert torch.equal(patch_mixup(tail, head, ratio), expected)
        half = patch_mixup(tail.bfloat16(), head.bfloat16(), ratio)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), by_hand(tail, head, ratio), atol=0.02, rtol=0)


X = torch.zeros(2, 3, 8, 8)
R = torch.zeros(2, 1, 2, 2)


@pytest.mark.parametrize(
    ("tail", "head", "ratio", "error", "message"),
    [
        (1, X, R, TypeError, "tail: expected a torch.Tensor, got int"),
        (X, X, R.int(), TypeError, "ratio: expected a floating-point tensor, got torch.int32"),
        (X.int(), X.int(), R, TypeError, "tail: expected a floating-point tensor, got torch.int32"),
        (X, X[:1], R, ValueError, r"head: expected shape \[2, 3, 8, 8\] like tail, got \[1, 3, 8, 8\]"),
        (X, X.half(), R, ValueError, "head: expected dtype torch.float32 like tail, got torch.float16"),
        (X, X.to("meta"), R, ValueError, "head: expected device cpu like tail, got meta"),
        (X, X, R.to("meta"), ValueError, "ratio: expected device cpu like tail, got meta"),
        (
            X[0, 0],
            X[0, 0],
            R,
            ValueError,
            r"tail: expected \[B, C, H, W\], \[B, C, D, H, W\] or tokens \[B, N, D\], got shape \[8, 8\]",
        ),
        (X, X, R[0], ValueError, r"ratio: expected \[B, 1, h, w\] or \[B, 1, d, h, w\], got shape \[1, 2, 2\]"),
        (X, X, R[:1], ValueError, r"ratio: expected one for each of 2 pairs, got shape \[1, 1, 2, 2\]"),
        (X, X, torch.zeros(2, 1, 3, 2), ValueError, "ratio: expected a grid that divides 8x8, got 3x2"),
        (X, X, R + 1.5, ValueError, r"ratio: expected values in \[0, 1\], got 1.5 to 1.5"),
        (X, X, R - 0.5, ValueError, r"ratio: expected values in \[0, 1\], got -0.5 to -0.5"),
        (X, X, R * math.nan, ValueError, r"ratio: expected values in \[0, 1\], got nan to nan"),
        (X + math.inf, X, R, ValueError, "tail: expected finite values, got NaN or infinity"),
        (X, X * math.nan, R + 1, ValueError, "head: expected finite values, got NaN or infinity"),
        (
            X[:, 0],
            X[:, 0],
            R,
            ValueError,
            "ratio: expected 8 ratios for 8 tokens of which 0 are prefix",
        ),
    ],
)
def test_bad_input(tail, head, ratio, error, message):
    with pytest.raises(error, match=message):
        patch_mixup(tail, head, ratio)


INDEX = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("tail_index", "head_index", "error", "message"),
    [
        ([0, 1], None, TypeError, "tail_index: expected a torch.Tensor, got list"),
        (None, INDEX.float(), TypeError, "head_index: expected int64 or int32 positions, got torch.float32"),
        (INDEX[:1], None, ValueError, r"tail_index: expected shape \[2\], one for each ratio, got \[1\]"),
        (None, INDEX[None], ValueError, r"head_index: expected shape \[2\], one for each ratio, got \[1, 2\]"),
        (None, INDEX + 1, ValueError, "head_index: expected positions from 0 to 1, got 1 to 2"),
        (INDEX - 1, INDEX, ValueError, "tail_index: expected positions from 0 to 1, got -1 to 0"),
        (INDEX, INDEX.to("meta"), ValueError, "head_index: expected device cpu like head, got meta"),
    ],
)
def test_bad_indices(tail_index, head_index, error, message):
    with pytest.raises(error, match=message):
        patch_mixup(X, X, R, 0, tail_index, head_index)


def test_batches_of_different_length_have_one_number_of_dimensions():
    with pytest.raises(ValueError, match=r"head: expected 4 dimensions like tail, got shape \[\]"):
        patch_mixup(X, torch.tensor(0.0), R, head_index=INDEX)


def test_bad_prefix():
    tokens = torch.zeros(1, 5, 2)
    with pytest.raises(ValueError, match="num_prefix_tokens: expected at least 0, got -1"):
        PatchMixup(-1)
    with pytest.raises(TypeError, match="num_prefix_tokens: expected a whole number, got 1.5"):
        PatchMixup(1.5)
    with pytest.raises(ValueError, match="num_prefix_tokens: expected at least 0, got -1"):
        patch_mixup(tokens, tokens, torch.zeros(1, 1, 2, 3), -1)
    with pytest.raises(TypeError, match=r"num_prefix_tokens: expected a whole number, got 1\.0"):
        patch_mixup(tokens, tokens, torch.zeros(1, 1, 2, 2), 1.0)
    with pytest.raises(ValueError, match=r"num_prefix_tokens: expected 0 for images and feature maps, got 3"):
        patch_mixup(X, X, R, 3)
    assert repr(PatchMixup(1)) == "PatchMixup(num_prefix_tokens=1)"


def test_the_whole_range_of_half_precision_is_finite():
    tail = torch.full((1, 1, 1, 1), 60000.0, dtype=torch.float16)
    features = torch.cat([tail, -tail], 1)
    assert torch.equal(patch_mixup(features, features, torch.ones(1, 1, 1, 1)), features)


def test_an_overflow_of_the_difference_is_not_blamed_on_the_input():
    tail = torch.full((1, 1, 1, 1), 3e38)
    assert not torch.isfinite(patch_mixup(tail, -tail, torch.full((1, 1, 1, 1), 0.5))).any()
