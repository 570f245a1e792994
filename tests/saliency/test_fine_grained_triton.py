"""The saliency kernels: interpreted on the CPU (TRITON_INTERPRET=1), compiled on a GPU; equal to the reference."""

import math

import pytest
import torch
from torch.library import opcheck

from longtail_mix import SaliencyMap
from longtail_mix.functional import saliency_map
from longtail_mix.saliency import fine_grained as plain
from longtail_mix.saliency.fine_grained import fine_grained

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def random_bytes(*shape: int, device: torch.device, brightest: bool = False) -> torch.Tensor:
    made = torch.randint(
        200 if brightest else 0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    return made.to(device)


def reference(images: torch.Tensor, mean=None, std=None) -> torch.Tensor:
    return plain.reference(images.cpu(), mean, std).to(images.device)


# Around the mirror, and past the blocks of rows (8, 16, 32) and columns (32, 256).
SIZES = [(1, 1), (1, 7), (9, 1), (2, 2), (3, 2), (17, 23), (35, 9), (2, 258)]


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_equals_the_reference_on_every_bit(size, kernel_device):
    images = random_bytes(2, 3, *size, device=kernel_device)
    images[1] = 255 - images[1].flip(1) // 2
    assert torch.equal(saliency_map(images), reference(images))


@pytest.mark.parametrize("size", [(257, 257), (450, 600), (4, 16500)], ids=["square", "photograph", "wide"])
def test_sums_that_float32_rounds_are_rounded_alike(size, kernel_device):
    if kernel_device.type != "cuda":
        pytest.skip("needs a CUDA device: minutes in the interpreter, where the next test covers the same step")
    images = random_bytes(1, 3, *size, device=kernel_device, brightest=True)
    maps = reference(images)
    assert torch.equal(saliency_map(images), maps)
    assert maps.any()


def test_above_the_exact_range_columns_are_added_row_by_row(kernel_device, monkeypatch):
    from longtail_mix.saliency import _fine_grained_triton as kernels

    rows = torch.randint(2**22, 2**23, (2, 40, 37), generator=torch.Generator().manual_seed(0)).float()
    expected = rows.clone()
    for y in range(1, 40):
        expected[:, y] += expected[:, y - 1]
    assert not torch.equal(expected, rows.double().cumsum(1).float())  # the order shows
    rows = rows.to(kernel_device)
    kernels._column_kernel[(2 * 2,)](rows, 40, 37, 2, False, 32, 32, num_warps=1, enable_fp_fusion=False)
    assert torch.equal(rows, expected.to(kernel_device))
    monkeypatch.setattr(kernels, "_EXACT", 12 * 11 - 1)
    images = random_bytes(2, 3, 12, 11, device=kernel_device)
    assert torch.equal(saliency_map(images), reference(images))


def test_within_the_exact_range_columns_go_on_from_tile_to_tile(kernel_device):
    from longtail_mix.saliency import _fine_grained_triton as kernels

    rows = torch.randint(1000, (2, 70, 37), generator=torch.Generator().manual_seed(0)).float()  # three tiles by two
    expected = rows.cumsum(1).to(kernel_device)
    rows = rows.to(kernel_device)
    kernels._column_kernel[(2 * 2,)](rows, 70, 37, 2, True, 32, 32, num_warps=4, enable_fp_fusion=False)
    assert torch.equal(rows, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_floats_are_turned_into_the_same_bytes(dtype, kernel_device):
    # 16 bits a channel: most round, some are halves of 1/255, some lie a little outside [0, 1]
    values = torch.randint(-4000, 69000, (1, 3, 4, 21), generator=torch.Generator().manual_seed(0)) / 65536
    values[0, :, 0] = (torch.arange(21) + 0.5) / 255
    images = values.to(dtype).to(kernel_device)
    assert torch.equal(saliency_map(images), reference(images))
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in IMAGENET)
    normalised = ((values - mean) / std).to(dtype).to(kernel_device)
    assert torch.equal(saliency_map(normalised, *IMAGENET), reference(normalised, *IMAGENET))


def test_strides_do_not_matter(kernel_device):
    images = random_bytes(2, 3, 5, 7, device=kernel_device)
    expected = reference(images)
    assert torch.equal(saliency_map(images.contiguous(memory_format=torch.channels_last)), expected)
    assert torch.equal(saliency_map(images.mT.contiguous().mT), expected)
    wide = torch.stack([images, images.flip(0)], -1).flatten(-2)
    assert torch.equal(saliency_map(wide[..., ::2]), expected)
    assert torch.equal(saliency_map(images[:1].expand(3, -1, -1, -1)), expected[:1].expand(3, -1, -1, -1))


def test_flat_images_give_zeros(kernel_device):
    flat = torch.tensor([0, 7, 255], dtype=torch.uint8, device=kernel_device).view(3, 1, 1, 1).expand(3, 3, 4, 5)
    assert not saliency_map(flat).any()


def test_bad_pixels_show_in_their_image_alone(kernel_device):
    images = torch.rand(5, 3, 3, 400, device=kernel_device)  # more than one block
    expected = saliency_map(images)
    images[1, 0, 0, 0], images[2, 1, 2, 399], images[4, 2, 0, 7] = math.nan, math.inf, -math.inf
    maps = saliency_map(images)
    assert maps[[1, 2, 4]].isnan().all()
    assert torch.equal(maps[[0, 3]], expected[[0, 3]])


def test_empty_batch(kernel_device):
    assert saliency_map(torch.rand(0, 3, 8, 9, device=kernel_device)).shape == (0, 1, 8, 9)


def test_opcheck_autocast_and_one_graph(kernel_device):
    images = torch.rand(1, 3, 4, 5, device=kernel_device, requires_grad=True)
    opcheck(fine_grained, (images.detach(), *IMAGENET))
    opcheck(fine_grained, (random_bytes(1, 3, 2, 3, device=kernel_device), None, None))
    expected = SaliencyMap(*IMAGENET)(images)
    assert not expected.requires_grad
    with torch.autocast(kernel_device.type, torch.bfloat16):
        assert torch.equal(SaliencyMap(*IMAGENET)(images), expected)
    compiled = torch.compile(SaliencyMap(*IMAGENET), fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(images), expected)


def test_nothing_waits_and_a_graph_replays(kernel_device):
    if kernel_device.type != "cuda":
        pytest.skip("needs a CUDA device")
    images = torch.rand(4, 3, 64, 64, device=kernel_device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        expected = saliency_map(images)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        maps = saliency_map(images)
    for _ in range(2):  # the maxima start from zero each time
        graph.replay()
        assert torch.equal(maps, expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(224, 224), (600, 450)], ids=["exact", "rounded"])
def test_compiles_to_machine_code(dtype, size, hopper_compiler, spilt_bytes):
    from longtail_mix.saliency._fine_grained_triton import maps_of

    normalisation = (None, None) if dtype == torch.uint8 else IMAGENET
    maps_of(torch.zeros(2, 3, *size, dtype=dtype), *normalisation)
    names = ["_grey_kernel", "_smooth_kernel", "_column_kernel", "_window_kernel", "_scale_kernel"]
    assert [kernel.name for kernel in hopper_compiler] == names
    for kernel in hopper_compiler:
        ptx = kernel.asm["ptx"]
        assert spilt_bytes(kernel) == 0
        assert "fma.rn.f32" not in ptx
        assert "div.full" not in ptx
        assert "div.approx" not in ptx
    assert "div.rn.f32" in hopper_compiler[3].asm["ptx"]
