import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck

from longtail_mix import MergedSaliency
from longtail_mix.functional import merged_saliency


@given(height=st.integers(1, 9), width=st.integers(1, 9), batch=st.integers(0, 3), seed=st.integers(0, 2**31))
def test_is_one_of_both_maps_and_at_least_each(height, width, batch, seed):
    generator = torch.Generator().manual_seed(seed)
    tail, head = torch.rand(2, batch, 1, height, width, generator=generator)
    tail_before, head_before = tail.clone(), head.clone()
    merged = merged_saliency(tail, head)
    assert ((merged >= tail) & (merged >= head)).all()
    assert ((merged == tail) | (merged == head)).all()
    assert torch.equal(merged, merged_saliency(head, tail))
    assert torch.equal(tail, tail_before)
    assert torch.equal(head, head_before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_equals_a_loop(dtype, device):
    tail, head = torch.rand(2, 2, 1, 3, 4, device=device).to(dtype)
    merged = MergedSaliency()(tail, head)
    assert merged.dtype == dtype
    expected = [max(t, h) for t, h in zip(tail.flatten().tolist(), head.flatten().tolist(), strict=True)]
    assert merged.flatten().tolist() == expected


def test_gradcheck():
    tail = torch.rand(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    head = torch.rand(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(merged_saliency, (tail, head))


def test_compiles_as_one_graph(device):
    tail, head = torch.rand(2, 2, 1, 4, 4, device=device)
    compiled = torch.compile(MergedSaliency(), fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(tail, head), torch.maximum(tail, head))


MAP = torch.zeros(2, 1, 4, 4)


@pytest.mark.parametrize(
    ("tail", "head", "error", "message"),
    [
        (None, MAP, TypeError, "tail: expected a torch.Tensor, got NoneType"),
        (MAP, MAP.int(), TypeError, "head: expected a floating-point tensor, got torch.int32"),
        (MAP[0], MAP, ValueError, r"tail: expected maps \[B, 1, H, W\], got shape \[1, 4, 4\]"),
        (MAP, MAP[:1], ValueError, r"head: expected shape \[2, 1, 4, 4\] like tail, got \[1, 1, 4, 4\]"),
        (MAP, MAP.double(), ValueError, "head: expected dtype torch.float32 like tail, got torch.float64"),
        (MAP, MAP.to("meta"), ValueError, "head: expected device cpu like tail, got meta"),
        (MAP, MAP / 0, ValueError, "head: expected finite values, got NaN or infinity"),
        (MAP[..., :0], MAP[..., :0], ValueError, "tail: expected at least one pixel"),
    ],
)
def test_bad_input(tail, head, error, message):
    with pytest.raises(error, match=message):
        merged_saliency(tail, head)
