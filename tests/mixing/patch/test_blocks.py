"""Blocks of an image, and back."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail_mix.functional import from_blocks, to_blocks


@settings(max_examples=50)
@given(
    number=st.integers(0, 3),
    channels=st.integers(0, 3),
    rows=st.integers(1, 5),
    columns=st.integers(1, 5),
    size=st.integers(1, 6),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.uint8, torch.bool]),
)
def test_there_and_back_is_the_identity(number, channels, rows, columns, size, dtype):
    images = (torch.rand(number, channels, rows * size, columns * size) * 255).to(dtype)
    before = images.clone()
    blocks = to_blocks(images, size)
    assert blocks.shape == (number, rows * columns, channels, size, size)
    assert torch.equal(from_blocks(blocks, rows * size, columns * size), images)
    assert torch.equal(to_blocks(from_blocks(blocks, rows * size, columns * size), size), blocks)
    assert torch.equal(images, before)


@pytest.mark.parametrize("side", range(1, 33))
def test_every_size_that_divides(side):
    images = torch.arange(side * 2 * side).view(1, 1, side, 2 * side)
    for size in range(1, side + 1):
        if side % size:
            with pytest.raises(ValueError, match=f"images: expected height and width divisible by the .* {size}, got"):
                to_blocks(images, size)
        else:
            assert torch.equal(from_blocks(to_blocks(images, size), side, 2 * side), images)


def test_blocks_come_row_by_row():
    images = torch.rand(2, 3, 6, 9)
    blocks = to_blocks(images, 3)
    for i in range(2):
        for j in range(3):
            assert torch.equal(blocks[:, i * 3 + j], images[:, :, 3 * i : 3 * i + 3, 3 * j : 3 * j + 3])


def test_gradients_and_memory_formats():
    images = torch.rand(2, 3, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: to_blocks(x, 2), (images,))
    assert torch.autograd.gradcheck(lambda x: from_blocks(to_blocks(x, 2), 4, 6), (images,))
    last = images.detach().to(memory_format=torch.channels_last)
    assert torch.equal(to_blocks(last, 2), to_blocks(images.detach(), 2))


def test_one_graph():
    images = torch.rand(2, 3, 4, 6)
    compiled = torch.compile(lambda x: from_blocks(to_blocks(x, 2).flip(1), 4, 6), fullgraph=True, backend="eager")
    assert torch.equal(compiled(images), from_blocks(to_blocks(images, 2).flip(1), 4, 6))


X = torch.zeros(1, 3, 4, 6)
B = torch.zeros(1, 6, 3, 2, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: to_blocks([1], 2), TypeError, "images: expected a torch.Tensor, got list"),
        (lambda: to_blocks(X[0], 2), ValueError, r"images: expected \[B, C, H, W\], got shape \[3, 4, 6\]"),
        (lambda: to_blocks(X, 0), ValueError, "block_size: expected at least 1, got 0"),
        (lambda: to_blocks(X, 2.0), TypeError, "block_size: expected a whole number, got 2.0"),
        (lambda: to_blocks(X[..., :0], 2), ValueError, "images: expected at least one pixel"),
        (lambda: from_blocks([1], 4, 6), TypeError, "blocks: expected a torch.Tensor, got list"),
        (lambda: from_blocks(B[0], 4, 6), ValueError, r"blocks: expected \[B, N, C, p, p\], got shape"),
        (lambda: from_blocks(B[..., :1], 4, 6), ValueError, r"blocks: expected \[B, N, C, p, p\], got shape"),
        (lambda: from_blocks(B[..., :0, :0], 4, 6), ValueError, "blocks: expected at least one pixel"),
        (lambda: from_blocks(B, 4, 4), ValueError, "blocks: expected as many of 2x2 as fill 4x4, got 6"),
        (lambda: from_blocks(B, 3, 8), ValueError, "blocks: expected as many of 2x2 as fill 3x8, got 6"),
        (lambda: from_blocks(B, 0, 6), ValueError, "height: expected at least 1, got 0"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
