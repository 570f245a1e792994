"""The ratio kernels: interpreted on the CPU (TRITON_INTERPRET=1), compiled on a GPU; and the noise they make."""

import math

import pytest
import torch
from torch.library import opcheck

from longtail_mix import PaperRatio
from longtail_mix.functional import lesion_aware_ratio, paper_ratio
from longtail_mix.mixing.ratio._maps import ratio_with_draw
from longtail_mix.mixing.ratio._philox import philox_uniform
from longtail_mix.mixing.ratio._ratio_op import noisy_ratio

SEED = 2**61 + 12345678901


def maps(*shape: int, device: torch.device, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.rand(2, shape[0], 1, *shape[1:], generator=torch.Generator().manual_seed(0))
    return made[0].to(dtype).to(device), made[1].to(dtype).to(device)


def seed_on(device: torch.device, seed: int = SEED) -> torch.Tensor:
    return torch.tensor([seed], device=device)


def reference(merged, patch_size, alpha, noise, seed: int = SEED):
    size, _, height, width = merged.shape
    draw = philox_uniform(torch.tensor([seed]), size, height * width).view(merged.shape)
    return ratio_with_draw(merged.cpu(), draw, patch_size, alpha, noise)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("size", "patch"), [((1, 1), 1), ((1, 5), 1), ((17, 23), 1), ((9, 15), 3), ((48, 48), 48), ((70, 60), 10)], ids=str
)
def test_no_further_from_the_truth_than_eager(size, patch, dtype, kernel_device):
    tail, head = maps(2, *size, device=kernel_device, dtype=dtype)
    merged = torch.maximum(tail, head).cpu()
    options = (patch, 0.8, 0.0685)
    truth = reference(merged.double(), *options)
    eager = reference(merged, *options)
    # In float64 eager is the truth itself, and only the order of up to 2304 additions differs.
    steps = 64 if dtype == torch.float64 else 4
    allowed = (eager.double() - truth).abs().max() + steps * torch.finfo(dtype).eps
    for got in (
        noisy_ratio(tail, head, seed_on(kernel_device), *options),
        noisy_ratio(torch.maximum(tail, head), None, seed_on(kernel_device), *options),
    ):
        assert got.dtype == dtype
        assert got.shape == truth.shape
        assert (got.cpu().double() - truth).abs().max() <= allowed
        assert (got <= torch.tensor(0.8, dtype=dtype)).all()


def test_the_generator_decides(kernel_device):
    tail, head = maps(2, 12, 16, device=kernel_device)

    merged = torch.maximum(tail, head)

    def draw(seed: int) -> torch.Tensor:
        return lesion_aware_ratio(merged, 4, 0.8, 0.3, torch.Generator(kernel_device).manual_seed(seed))

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert torch.equal(draw(1), paper_ratio(tail, head, 4, 0.8, 0.3, torch.Generator(kernel_device).manual_seed(1)))
    assert not torch.equal(PaperRatio(4)(tail, head), PaperRatio(4)(tail, head))
    assert torch.equal(lesion_aware_ratio(tail, 4, noise=0.0), lesion_aware_ratio(tail, 4, noise=0.0))


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # NumPy's, in the interpreter: NaN is made on purpose
def test_no_contrast_no_number_and_infinity(kernel_device):
    tail, head = maps(6, 8, 8, device=kernel_device)
    tail[1], head[1] = 0.25, 0.25
    tail[2, 0, 3, 3] = math.nan
    head[3, 0, 7, 7] = math.nan
    tail[4, 0, 0, 0] = math.inf
    tail[5], head[5] = math.inf, math.inf
    got = noisy_ratio(tail, head, seed_on(kernel_device), 4, 0.8, 0.1).cpu()
    expected = reference(torch.maximum(tail, head), 4, 0.8, 0.1)
    torch.testing.assert_close(got, expected, equal_nan=True)
    assert torch.equal(got[1], torch.full((1, 2, 2), 0.8))
    assert got[2:4].isnan().all()
    assert got[0].isfinite().all()


def test_maps_that_need_gradients_get_them(kernel_device):
    tail, head = (m.requires_grad_() for m in maps(1, 4, 4, device=kernel_device))
    paper_ratio(tail, head, 2).sum().backward()
    assert tail.grad.any()
    with torch.no_grad():
        assert paper_ratio(tail, head, 2).grad_fn is None


def test_empty_batch_and_strides(kernel_device):
    tail, head = maps(2, 8, 12, device=kernel_device)
    expected = noisy_ratio(tail, head, seed_on(kernel_device), 4, 0.8, 0.1)
    odd = tail.mT.contiguous().mT
    assert torch.equal(noisy_ratio(odd, head, seed_on(kernel_device), 4, 0.8, 0.1), expected)
    assert paper_ratio(tail[:0], head[:0], 4).shape == (0, 1, 2, 3)


def test_opcheck_autocast_and_one_graph(kernel_device):
    tail, head = maps(2, 8, 8, device=kernel_device)
    opcheck(noisy_ratio, (tail, head, seed_on(kernel_device), 4, 0.8, 0.1))
    opcheck(noisy_ratio, (tail, None, seed_on(kernel_device), 4, 0.8, 0.1))
    expected = paper_ratio(tail, head, 4, noise=0.0)
    with torch.autocast(kernel_device.type, torch.bfloat16):
        assert torch.equal(paper_ratio(tail, head, 4, noise=0.0), expected)
    compiled = torch.compile(PaperRatio(4), fullgraph=True, backend="aot_eager")
    torch.manual_seed(0)
    got = compiled(tail, head)
    torch.manual_seed(0)
    assert torch.equal(got, PaperRatio(4)(tail, head))


def test_nothing_waits_and_each_replay_of_a_graph_draws_anew(kernel_device):
    if kernel_device.type != "cuda":
        pytest.skip("needs a CUDA device")
    tail, head = maps(4, 32, 32, device=kernel_device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        paper_ratio(tail, head)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        ratio = paper_ratio(tail, head)
    graph.replay()
    first = ratio.clone()
    graph.replay()
    assert not torch.equal(ratio, first)


def test_the_operation_without_a_kernel_is_the_reference():
    tail, head = maps(2, 8, 8, device=torch.device("meta"))
    assert noisy_ratio(tail, head, torch.empty(1, dtype=torch.int64, device="meta"), 4, 0.8, 0.1).shape == (2, 1, 2, 2)
    tail, head = maps(2, 8, 8, device=torch.device("cpu"))
    got = noisy_ratio(tail, head, torch.tensor([SEED]), 4, 0.8, 0.1)
    torch.testing.assert_close(got, reference(torch.maximum(tail, head), 4, 0.8, 0.1))
    opcheck(noisy_ratio, (tail, None, torch.tensor([SEED]), 4, 0.8, 0.1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("patch", [16, 224])
def test_compiles_to_machine_code(patch, dtype, hopper_compiler, spilt_bytes):
    from longtail_mix.mixing.ratio._ratio_triton import ratio_of

    tail, head = maps(2, 224, 224, device=torch.device("cpu"), dtype=dtype)
    ratio_of(tail, head, torch.tensor([SEED]), patch, 0.8, 0.0685)
    assert [kernel.name for kernel in hopper_compiler] == ["_noise_kernel", "_patch_kernel"]
    assert [spilt_bytes(kernel) for kernel in hopper_compiler] == [0, 0]
