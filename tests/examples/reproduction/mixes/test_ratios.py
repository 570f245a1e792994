"""Ratios whose noise comes from outside: equal to the library's with the same draws, and Table 2."""

import pytest
import torch
from torch import Tensor

from longtail_mix.functional import fidelity_ratio
from longtail_mix.mixing.ratio._maps import ratio_with_draw
from reproduction.mixes.ratios import Fidelity, OnePerImage, Paper, Random, Released

B, S, P = 6, 32, 8


@pytest.fixture
def maps() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    tail, head = torch.rand(2, B, 1, S, S, generator=generator)
    return tail, head, 2 * torch.rand(B, 2, S, S, generator=generator) - 1


def test_the_paper_s_ratio_is_the_library_s_with_the_noise_of_channel_0(maps):
    tail, head, noise = maps
    by_library = ratio_with_draw(torch.maximum(tail, head), (noise[:, :1] + 1) / 2, P, 0.8, 0.1)
    torch.testing.assert_close(Paper(P, 0.8, 0.1)(tail, head, noise), by_library, rtol=0, atol=1e-6)
    # Channel 0 for both maps is the same: max(t + n, h + n) = max(t, h) + n.
    each = torch.maximum(tail + 0.1 * noise[:, :1], head + 0.1 * noise[:, :1])
    by_each = ratio_with_draw(each, torch.zeros_like(each), P, 0.8, 0.0)
    torch.testing.assert_close(Paper(P, 0.8, 0.1)(tail, head, noise), by_each, rtol=0, atol=1e-6)


def test_the_released_ratio_is_a_hand_written_loop_with_a_channel_for_each_map(maps):
    tail, head, noise = maps
    ratio = Released(P, 0.8, 0.1)(tail, head, noise)
    for i in range(B):
        of_both = []
        for saliency, draw in ((tail[i, 0], noise[i, 0]), (head[i, 0], noise[i, 1])):
            patches = (saliency + 0.1 * draw).unfold(0, P, P).unfold(1, P, P).mean((-2, -1))
            of_both.append((patches - patches.min()) / (patches.max() - patches.min()) / 2 + 0.5)
        torch.testing.assert_close(ratio[i, 0], torch.maximum(*of_both).clamp(max=0.8), rtol=0, atol=1e-6)


@pytest.mark.parametrize("recipe", [Paper(P, 0.8, 0.1), Released(P, 0.8, 0.1)])
def test_maps_without_contrast_keep_the_tail(recipe, maps):
    flat = torch.zeros_like(maps[0])
    ratio = recipe(flat, flat, maps[2])
    torch.testing.assert_close(ratio, torch.full_like(ratio, 0.8))


def test_fidelity_takes_maps_that_a_warp_rounded_out_of_range(maps):
    tail, head, noise = maps
    ratio = Fidelity(P, 0.8)((tail / tail.amax()) * (1 + 1e-6), head, noise)
    assert torch.equal(Fidelity(P, 0.8)(tail, head, noise), fidelity_ratio(tail, head, P, 0.8))
    assert ratio.shape == (B, 1, S // P, S // P)


def test_random_ratios_are_uniform_and_one_for_each_patch_or_image():
    noise = 2 * torch.rand(500, 2, S, S, generator=torch.Generator().manual_seed(1)) - 1
    by_patch, by_image = Random(P, 0.8, 0.5)(noise, noise, noise), Random(S, 0.8)(noise, noise, noise)
    assert by_patch.shape == (500, 1, S // P, S // P)
    assert by_image.shape == (500, 1, 1, 1)
    for ratio, low in ((by_patch, 0.5), (by_image, 0.0)):
        quarters = torch.histc(ratio, 4, low, 0.8) / ratio.numel()
        assert quarters.sum() == 1
        assert (quarters - 0.25).abs().max() < 4 * (3 / 16 / 500) ** 0.5
    assert by_patch.flatten(1).std(1).min() > 0.03


def test_without_patches_the_mean_of_the_recipe(maps):
    recipe = Paper(P, 0.8, 0.1)
    one = OnePerImage(recipe)(*maps)
    assert one.shape == (B, 1, 1, 1)
    torch.testing.assert_close(one.flatten(), recipe(*maps).flatten(1).mean(1))


def test_who_looks_at_maps_and_how_large_the_patches_are():
    assert [ratio.looks for ratio in (Paper(), Released(), Fidelity(), Random())] == [True, True, True, False]
    for of in (Paper(4), Random(4)):
        one = OnePerImage(of)
        assert (one.patch_size, one.looks) == (4, of.looks)
