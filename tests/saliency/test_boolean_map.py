"""BooleanMapSaliency against boolean maps cut, opened and flooded one by one."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.color import rgb_to_lab

from longtail_mix.data import synthetic_dermoscopy
from longtail_mix.metrics import saliency_auroc
from longtail_mix.saliency.boolean_map import (
    BooleanMapSaliency,
    _opening,
    boolean_map_saliency,
    reconstruct_from_border,
)

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def random_bytes(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def flood_from_border(region: np.ndarray) -> np.ndarray:
    """The part of a boolean map [H,W] that is 4-connected with the border."""
    height, width = region.shape
    border = [(y, x) for y in range(height) for x in range(width) if y in (0, height - 1) or x in (0, width - 1)]
    queue = [at for at in border if region[at]]
    reached = np.zeros_like(region)
    while queue:
        y, x = queue.pop()
        if not (0 <= y < height and 0 <= x < width) or reached[y, x] or not region[y, x]:
            continue
        reached[y, x] = True
        queue += [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
    return reached


def reconstruct_by_hand(values: np.ndarray) -> np.ndarray:
    """For each pixel the highest threshold at which a flood from the border still reaches it."""
    result = np.full(values.shape, -np.inf, values.dtype)
    for threshold in np.unique(values):
        result[flood_from_border(values >= threshold)] = threshold
    return result


def open_by_hand(region: np.ndarray) -> np.ndarray:
    """The union of the 3 x 3 squares that fit into a boolean map, squares cut by the image's border included."""
    height, width = region.shape
    opened = np.zeros_like(region)
    for y in range(height):
        for x in range(width):
            square = (slice(max(y - 1, 0), y + 2), slice(max(x - 1, 0), x + 2))
            if region[square].all():
                opened[square] = True
    return opened


def saliency_by_hand(image: np.ndarray, levels: int) -> np.ndarray:
    """One image [3,64,64] uint8: boolean maps at `levels` even thresholds of each Lab channel, and complements."""
    total = np.zeros((64, 64))
    for channel in rgb_to_lab(torch.from_numpy(image)[None].double() / 255)[0].numpy():
        low, high = channel.min(), channel.max()
        for threshold in low + (high - low) * (np.arange(levels) + 0.5) / levels:
            for region in (channel > threshold, channel < threshold):
                opened = open_by_hand(region)
                total += (opened & ~flood_from_border(opened)) * (high - low) / levels
    return (total - total.min()) / (total.max() - total.min())


@settings(max_examples=40)
@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 2**31), levels=st.integers(1, 6))
def test_reconstruction_equals_floods_at_every_threshold(height, width, seed, levels):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randint(levels, (2, 3, height, width), generator=generator).float()
    expected = np.stack([[reconstruct_by_hand(c) for c in image] for image in maps.numpy()])
    # a way in a 9 x 9 maze has at most 40 turns
    np.testing.assert_array_equal(reconstruct_from_border(maps, sweeps=20).numpy(), expected)


def test_before_the_last_sweep_a_reconstruction_is_a_lower_bound():
    maps = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    exact = reconstruct_from_border(maps, sweeps=60)
    assert torch.equal(exact, reconstruct_from_border(maps, sweeps=61))
    assert (reconstruct_from_border(maps, sweeps=2) <= exact).all()
    assert (reconstruct_from_border(maps, sweeps=2) < exact).any()


def test_equals_boolean_maps_one_by_one():
    images = synthetic_dermoscopy([1, 1], size=64, seed=3).images
    levels = 100
    expected = np.stack([saliency_by_hand(image, levels) for image in images.numpy()])
    measured = boolean_map_saliency(images)[:, 0].numpy()
    # The sum over all thresholds against 100: each of the 6 surrounded depths of a pixel is off by at most one
    # threshold, 1 / 100 of its channel's range, and the channels' ranges are about that of the map.
    assert np.abs(measured - expected).max() < 0.06
    assert np.abs(measured - expected).mean() < 0.01


def test_four_sweeps_are_enough_for_dermoscopy():
    images = synthetic_dermoscopy([10, 10, 10], size=64).images
    channels = rgb_to_lab(images / 255)
    both = _opening(torch.cat([channels, -channels], 1))
    four, exact = reconstruct_from_border(both, sweeps=4), reconstruct_from_border(both, sweeps=80)
    scale = (both - exact).sum(1).amax((1, 2))
    assert (((exact - four).sum(1).mean((1, 2)) / scale) < 2e-3).all()


def test_finds_what_is_surrounded_and_not_what_touches_the_border(device):
    images = torch.full((1, 3, 64, 64), 190, dtype=torch.uint8, device=device)
    images[..., 20:40, 20:40] = 70
    images[..., 50:, 50:] = 70
    images[..., 5:60, 10] = 0  # a hair, thinner than the opening
    maps = boolean_map_saliency(images)
    expected = torch.zeros_like(maps)
    expected[..., 20:40, 20:40] = 1
    torch.testing.assert_close(maps, expected, rtol=0, atol=1e-5)


def test_finds_the_lesions_of_made_up_dermoscopy():
    data = synthetic_dermoscopy([20, 20, 20], size=96)
    auroc = saliency_auroc(boolean_map_saliency(data.images), data.masks)
    assert auroc.mean() > 0.9


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_float_and_normalised_images_equal_their_bytes(dtype, device):
    images = random_bytes(4, 3, 33, 20).to(device)
    expected = boolean_map_saliency(images)
    unit = images.to(dtype) / 255
    assert torch.equal(boolean_map_saliency(unit), expected)
    if dtype != torch.float16:
        mean, std = (torch.tensor(v, dtype=dtype, device=device).view(3, 1, 1) for v in IMAGENET)
        assert torch.equal(BooleanMapSaliency(*IMAGENET)((unit - mean) / std), expected)


@settings(max_examples=30)
@given(height=st.integers(1, 80), width=st.integers(1, 80), batch=st.integers(0, 3), seed=st.integers(0, 2**31))
def test_invariants(height, width, batch, seed):
    images = random_bytes(batch, 3, height, width, seed=seed)
    before = images.clone()
    maps = boolean_map_saliency(images)
    assert maps.shape == (batch, 1, height, width)
    assert maps.dtype == torch.float32
    assert ((maps >= 0) & (maps <= 1)).all()
    assert torch.equal(images, before)
    assert torch.equal(boolean_map_saliency(images.flip(0)), maps.flip(0))


@pytest.mark.parametrize("value", [0, 7, 255])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (50, 64), (131, 97)])
def test_flat_images_give_zeros(value, size, device):
    flat = torch.full((2, 3, *size), value, dtype=torch.uint8, device=device)
    flat[1, 0] = 90
    assert torch.equal(boolean_map_saliency(flat), torch.zeros(2, 1, *size, device=device))


def test_memory_format_strides_and_grad_do_not_matter(device):
    images = torch.rand(3, 3, 30, 22, device=device)
    expected = boolean_map_saliency(images)
    wide = torch.zeros(3, 3, 30, 44, device=device)
    wide[..., ::2] = images
    for same in (images.to(memory_format=torch.channels_last), wide[..., ::2]):
        # The resize adds in another order for another layout.
        torch.testing.assert_close(boolean_map_saliency(same), expected, rtol=0, atol=1e-5)
    assert not boolean_map_saliency(images.requires_grad_()).requires_grad


def test_autocast_changes_nothing(device):
    images = torch.rand(2, 3, 32, 32, device=device)
    expected = boolean_map_saliency(images)
    with torch.autocast(device.type, torch.bfloat16):
        assert torch.equal(boolean_map_saliency(images), expected)


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiles_as_one_graph(backend, device):
    images = torch.rand(2, 3, 40, 72, device=device)
    compiled = torch.compile(BooleanMapSaliency(), fullgraph=True, backend=backend)
    # powers in Lab may be rounded otherwise
    torch.testing.assert_close(compiled(images), boolean_map_saliency(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_bad_pixels_raise_where_values_can_be_read_and_show_elsewhere(bad):
    images = torch.rand(2, 3, 16, 16)
    images[1, 0, 3, 3] = bad
    with pytest.raises(ValueError, match="NaN or infinity"):
        boolean_map_saliency(images)
    maps = torch.compile(boolean_map_saliency, fullgraph=True, backend="aot_eager")(images)
    assert maps[1].isnan().all()
    torch.testing.assert_close(maps[:1], boolean_map_saliency(images[:1]), rtol=0, atol=1e-5)


def test_bad_input_says_what_was_expected_and_what_came():
    with pytest.raises(ValueError, match=r"expected RGB images \[B, 3, H, W\], got shape \[1, 1, 8, 8\]"):
        boolean_map_saliency(torch.zeros(1, 1, 8, 8))
    with pytest.raises(TypeError, match="uint8 or floating-point images, got torch.int32"):
        boolean_map_saliency(torch.zeros(1, 3, 8, 8, dtype=torch.int32))
    with pytest.raises(ValueError, match="expected both or neither"):
        BooleanMapSaliency(mean=[0.5] * 3)
    shown = repr(BooleanMapSaliency([0.5] * 3, [0.25] * 3))
    assert shown == "BooleanMapSaliency(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))"
