"""The patch mix kernels: interpreted on the CPU (TRITON_INTERPRET=1), compiled on a GPU."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.library import opcheck

from longtail_mix._triton import kernels_run_on
from longtail_mix.functional import patch_mixup
from longtail_mix.mixing.patch._patch_op import patch_mix, patch_mix_backward
from longtail_mix.mixing.patch._patch_reference import gather, mix_pairs

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
# shape of a batch, grid of ratios, prefix tokens; sizes that no block divides, and both ways of splitting a patch
LAYOUTS = {
    "1x1": ((2, 1, 1, 1), (1, 1), 0),
    "1xN": ((3, 2, 1, 5), (1, 5), 0),
    "17x23, a ratio a pixel": ((2, 3, 17, 23), (17, 23), 0),
    "17x23, one ratio": ((2, 3, 17, 23), (1, 1), 0),
    "patches of 4x12": ((2, 5, 12, 36), (3, 3), 0),
    "patches of 16x16": ((2, 3, 32, 48), (2, 3), 0),
    "more channels than a program": ((2, 300, 3, 3), (3, 3), 0),
    "more pixels than a program": ((1, 3, 40, 60), (1, 1), 0),
    "tokens": ((2, 7, 5), (2, 3), 1),
    "wide tokens": ((1, 10, 2064), (2, 3), 4),
}
CASES = [pytest.param(*case, torch.contiguous_format, id=name) for name, case in LAYOUTS.items()]
CASES += [
    pytest.param(*case, torch.channels_last, id=f"{name}, channels_last")
    for name, case in LAYOUTS.items()
    if len(case[0]) == 4
]


def batch(shape, grid, memory_format=torch.contiguous_format, dtype=torch.float32, device="cpu", seed=0, pairs=None):
    generator = torch.Generator().manual_seed(seed)
    tail, head = torch.randn(2, *shape, generator=generator).to(dtype).to(device)
    if len(shape) == 4:
        tail, head = tail.contiguous(memory_format=memory_format), head.contiguous(memory_format=memory_format)
    ratio = torch.rand(shape[0] if pairs is None else pairs, 1, *grid, generator=generator)
    return tail, head, ratio.to(torch.promote_types(dtype, torch.float32)).to(device)


def mix_and_gradients(mix, tensors, out_gradient):
    inputs = [t.detach().requires_grad_() for t in tensors]
    mixed = mix(*inputs)
    return [mixed.detach(), *torch.autograd.grad(mixed, inputs, out_gradient.to(mixed.dtype))]


def by_reference(tail_index, head_index, prefix):
    def mix(tail, head, ratio):
        return mix_pairs(gather(tail, tail_index), gather(head, head_index), ratio, prefix)

    return mix


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "grid", "prefix", "memory_format"), CASES)
def test_no_further_from_the_truth_than_eager(shape, grid, prefix, memory_format, dtype, kernel_device):
    tensors = batch(shape, grid, memory_format, dtype)
    out_gradient = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    reference = by_reference(None, None, prefix)
    truth = mix_and_gradients(reference, [t.double() for t in tensors], out_gradient)
    eager = mix_and_gradients(reference, tensors, out_gradient)
    on_device = [t.to(kernel_device) for t in tensors]
    kernel = mix_and_gradients(lambda t, h, r: patch_mixup(t, h, r, prefix), on_device, out_gradient.to(kernel_device))
    for ours, theirs, true, like in zip(kernel, eager, truth, (tensors[0], *tensors), strict=True):
        assert ours.dtype == like.dtype
        assert ours.shape == like.shape
        # In float64 eager is the truth itself, and only the order of up to 2400 additions differs.
        steps = 64 if dtype == torch.float64 else 2
        allowed = (theirs.double() - true).abs().max() + steps * torch.finfo(ours.dtype).eps * true.abs().max()
        assert (ours.cpu().double() - true).abs().max() <= allowed
    assert kernel[0].is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("tail_index", [None, [1, 1, 0, 1, 3], [0, 1, 2, 3]])
@pytest.mark.parametrize("head_index", [None, [2, 2, 2, 0, 2], [4, 0, 0, 4]])
@pytest.mark.parametrize(
    ("shape", "grid"), [((3, 4, 4), (2, 2)), ((5, 2, 2), (2, 2)), ((9, 2), (2, 4)), ((200, 3, 3), (3, 3))], ids=str
)
def test_picked_pairs_and_their_sums_of_gradients(tail_index, head_index, shape, grid, kernel_device):
    if tail_index is not None and head_index is not None and len(tail_index) != len(head_index):
        pytest.skip("one index for each pair on both sides")
    pairs = next((len(i) for i in (tail_index, head_index) if i is not None), 5)
    tails, heads = (pairs if tail_index is None else 4), (pairs if head_index is None else 6)
    tail, head, ratio = batch((6, *shape), grid, dtype=torch.float64, device=kernel_device, pairs=pairs)
    tail, head = tail[:tails], head[:heads]
    tail_index, head_index = (
        None if i is None else torch.tensor(i, device=kernel_device) for i in (tail_index, head_index)
    )
    prefix = shape[0] - 8 if len(shape) == 2 else 0
    out_gradient = torch.randn(pairs, *shape, dtype=torch.float64, device=kernel_device)
    expected = mix_and_gradients(by_reference(tail_index, head_index, prefix), (tail, head, ratio), out_gradient)
    for _ in range(2):  # the same bits every time
        got = mix_and_gradients(
            lambda t, h, r: patch_mixup(t, h, r, prefix, tail_index, head_index), (tail, head, ratio), out_gradient
        )
        torch.testing.assert_close(got, expected)
        expected, tolerance = got, {"atol": 0, "rtol": 0}
    torch.testing.assert_close(got, expected, **tolerance)


@pytest.mark.parametrize("wanted", [(True, False, False), (False, True, False), (False, False, True)])
@pytest.mark.parametrize("head_index", [None, [1, 1]])
def test_only_the_gradients_that_are_asked_for(wanted, head_index, kernel_device):
    tensors = batch((2, 3, 4, 4), (2, 2), device=kernel_device)
    index = None if head_index is None else torch.tensor(head_index, device=kernel_device)
    grad = torch.randn_like(tensors[0])
    every = patch_mix_backward(grad, *tensors, None, index, 0, [True] * 3)
    some = patch_mix_backward(grad, *tensors, None, index, 0, list(wanted))
    for one, full, is_wanted in zip(some, every, wanted, strict=True):
        assert torch.equal(one, full) if is_wanted else one.numel() == 0


def test_bytes_are_rounded_as_the_reference_does(kernel_device):
    tail, head = torch.randint(0, 256, (2, 2, 3, 16, 16), dtype=torch.uint8, device=kernel_device)
    ratio = torch.arange(8, device=kernel_device).view(2, 1, 2, 2) / 8  # eighths: exact, with many ties
    assert torch.equal(patch_mixup(tail, head, ratio), mix_pairs(tail, head, ratio))
    index = torch.tensor([1, 0], device=kernel_device)
    assert torch.equal(patch_mixup(tail, head, ratio, head_index=index), mix_pairs(tail, head[index], ratio))


def test_both_ends_are_exact_and_infinity_is_not_invented(kernel_device):
    tail, head, ratio = batch((2, 3, 8, 8), (2, 2), device=kernel_device)
    assert torch.equal(patch_mixup(tail, head, torch.ones_like(ratio)), tail)
    assert torch.equal(patch_mixup(tail, head, torch.zeros_like(ratio)), head)
    half = torch.full((1, 1, 2, 2), 60000.0, dtype=torch.float16, device=kernel_device)
    assert patch_mixup(half, -half, ratio[:1]).isfinite().all()  # their difference is no half


def test_empty_batches_and_images(kernel_device):
    for shape, pairs in (((0, 3, 4, 4), 0), ((2, 0, 4, 4), 2), ((2, 3, 4, 4), 0)):
        tail, head, ratio = batch(shape, (2, 2), device=kernel_device, pairs=pairs)
        index = torch.zeros(pairs, dtype=torch.int64, device=kernel_device)
        inputs = [t.requires_grad_() for t in (tail, head, ratio)]
        mixed = patch_mixup(*inputs, 0, index, index)
        assert mixed.shape == (pairs, *shape[1:])
        for grad, like in zip(torch.autograd.grad(mixed.sum(), inputs), inputs, strict=True):
            assert torch.equal(grad, torch.zeros_like(like))


def test_an_index_outside_the_batch_reads_nothing_and_shows(kernel_device):
    tail, head, ratio = batch((3, 2, 4, 4), (2, 2), device=kernel_device)
    index = torch.tensor([0, 7, -1], device=kernel_device)  # patch_mixup refuses it where it can read it
    for tail_index, head_index in ((index, None), (None, index)):
        mixed = patch_mix(tail, head, ratio, tail_index, head_index, 0)
        of_ratio = patch_mix_backward(mixed, tail, head, ratio, tail_index, head_index, 0, [True] * 3)[2]
        for result in (mixed, of_ratio):
            assert result[0].isfinite().all()
            assert result[1:].isnan().all()


def test_strides_do_not_matter(kernel_device):
    tail, head, ratio = batch((2, 4, 6, 6), (3, 3), device=kernel_device)
    expected = patch_mixup(tail, head, ratio)
    last = tail.contiguous(memory_format=torch.channels_last)
    assert torch.equal(patch_mixup(last, head, ratio), expected)
    wide = torch.cat([tail, head], 3)
    assert torch.equal(patch_mixup(wide[..., :6], wide[..., 6:], ratio.mT.contiguous().mT), expected)
    spread = mix_and_gradients(patch_mixup, (tail, head, ratio), torch.ones(1, device=kernel_device).expand(2, 4, 6, 6))
    dense = mix_and_gradients(patch_mixup, (tail, head, ratio), torch.ones(2, 4, 6, 6, device=kernel_device))
    torch.testing.assert_close(spread, dense, atol=0, rtol=0)


def test_gradcheck_first_and_second_order(kernel_device):
    tail, head, ratio = batch((2, 2, 4, 4), (2, 2), dtype=torch.float64, device=kernel_device, pairs=3)
    index = torch.tensor([1, 1, 0], device=kernel_device)
    inputs = [t.requires_grad_() for t in (tail, head, ratio)]
    assert gradcheck(lambda *x: patch_mix(*x, index, index.flip(0), 0), inputs, fast_mode=True)
    assert gradgradcheck(lambda *x: patch_mix(*x, index, index.flip(0), 0), inputs, fast_mode=True)
    tokens = [torch.rand(1, 5, 2, dtype=torch.float64, device=kernel_device, requires_grad=True) for _ in range(2)]
    grid = torch.rand(1, 1, 2, 2, dtype=torch.float64, device=kernel_device, requires_grad=True)
    assert gradgradcheck(lambda *x: patch_mix(*x, None, None, 1), (*tokens, grid), fast_mode=True)


# PyTorch's own check looks at the .grad of a tensor that is no leaf.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_opcheck(memory_format, kernel_device):
    tail, head, ratio = batch((3, 4, 4, 4), (2, 2), memory_format, device=kernel_device)
    index = torch.tensor([2, 0, 2], device=kernel_device)
    opcheck(patch_mix, (tail, head, ratio, None, index, 0))
    opcheck(patch_mix_backward, (tail, tail, head, ratio, None, index, 0, [True, False, True]))
    opcheck(patch_mix, (*(t.clone().requires_grad_() for t in (tail, head, ratio)), index, None, 0))


def test_compiles_as_one_graph_that_holds_both_kernels(kernel_device):
    from functorch.compile import make_boxed_func
    from torch._dynamo.backends.common import aot_autograd

    graphs = []

    def keep(module, _inputs):
        graphs.append(str(module.code))
        return make_boxed_func(module.forward)

    index = torch.tensor([1, 1, 0], device=kernel_device)
    tensors = batch((3, 2, 4, 4), (2, 2), device=kernel_device)
    compiled = torch.compile(patch_mixup, fullgraph=True, backend=aot_autograd(fw_compiler=keep, bw_compiler=keep))
    gradient = torch.randn_like(tensors[0])
    got = mix_and_gradients(lambda t, h, r: compiled(t, h, r, head_index=index), tensors, gradient)
    expected = mix_and_gradients(lambda t, h, r: patch_mixup(t, h, r, head_index=index), tensors, gradient)
    torch.testing.assert_close(got, expected, atol=0, rtol=0)
    assert "longtail_mix.patch_mix.default" in graphs[0]
    assert "longtail_mix.patch_mix_backward.default" in graphs[1]


def test_autocast_changes_nothing(kernel_device):
    tail, head, ratio = batch((2, 3, 4, 4), (2, 2), dtype=torch.bfloat16, device=kernel_device)
    expected = patch_mixup(tail, head, ratio)
    with torch.autocast(kernel_device.type, torch.float16):
        assert torch.equal(patch_mixup(tail, head, ratio), expected)


def test_nothing_waits_and_a_graph_replays(kernel_device):
    if kernel_device.type != "cuda":
        pytest.skip("needs a CUDA device")
    tail, head, ratio = batch((4, 3, 32, 32), (2, 2), device=kernel_device)
    index = torch.tensor([1, 1, 0, 3], device=kernel_device)
    inputs = [t.requires_grad_() for t in (tail, head, ratio)]

    def step():
        return torch.autograd.grad(patch_mixup(*inputs, head_index=index).square().sum(), inputs)

    torch.cuda.set_sync_debug_mode("error")
    try:
        expected = step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    graph.replay()
    torch.testing.assert_close(captured, expected)


def test_a_kernel_runs_here(kernel_device):
    assert kernels_run_on(torch.empty(1, device=kernel_device))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("shape", "grid", "memory_format"),
    [
        ((2, 3, 224, 224), (14, 14), torch.contiguous_format),
        ((2, 768, 14, 14), (14, 14), torch.channels_last),
        ((2, 197, 768), (14, 14), torch.contiguous_format),
        ((2, 2048, 7, 7), (7, 7), torch.contiguous_format),
    ],
)
def test_compiles_to_machine_code_with_wide_loads(shape, grid, memory_format, dtype, hopper_compiler, spilt_bytes):
    from longtail_mix.mixing.patch._patch_triton import backward, forward

    tail, head, ratio = batch(shape, grid, memory_format, dtype)
    index = torch.tensor([1, 1])
    prefix = shape[1] - 196 if len(shape) == 3 else 0
    mixed = forward(tail, head, ratio, None, index, prefix, memory_format)
    backward(mixed, tail, head, ratio, None, index, prefix, [True] * 3, memory_format)
    assert [k.name for k in hopper_compiler] == ["_mix_kernel", "_gradient_kernel"]
    for kernel in hopper_compiler:
        assert spilt_bytes(kernel) == 0
    # Feature maps of 7x7 have an odd size in memory: their gradients cannot be vectors.
    wide = hopper_compiler[: 1 if shape[-1] == 7 else 2]
    assert all("ld.global.v4" in kernel.asm["ptx"] or ".v4.b32" in kernel.asm["ptx"] for kernel in wide)
