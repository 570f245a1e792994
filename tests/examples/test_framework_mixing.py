"""Ratios from maps and noise that come with the batch: equal to the library's with the same draws, and Table 2."""

import pytest
import torch
from framework_batch import Batch, Stream
from framework_mixing import (
    FidelityRecipe,
    OnePerImage,
    PaperRecipe,
    RandomRecipe,
    ReleasedRecipe,
    StreamRatio,
)
from torch import Tensor

from longtail_mix.functional import fidelity_ratio
from longtail_mix.mixing.ratio._maps import ratio_with_draw

B, S, P = 6, 32, 8


@pytest.fixture
def maps() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    tail, head = torch.rand(2, B, 1, S, S, generator=generator)
    return tail, head, 2 * torch.rand(B, 2, S, S, generator=generator) - 1


def test_the_paper_s_ratio_is_the_library_s_with_the_noise_of_channel_0(maps):
    tail, head, noise = maps
    by_library = ratio_with_draw(torch.maximum(tail, head), (noise[:, :1] + 1) / 2, P, 0.8, 0.1)
    torch.testing.assert_close(PaperRecipe(P, 0.8, 0.1)(tail, head, noise), by_library, rtol=0, atol=1e-6)
    # Channel 0 for both maps is the same: max(t + n, h + n) = max(t, h) + n.
    each = torch.maximum(tail + 0.1 * noise[:, :1], head + 0.1 * noise[:, :1])
    by_each = ratio_with_draw(each, torch.zeros_like(each), P, 0.8, 0.0)
    torch.testing.assert_close(PaperRecipe(P, 0.8, 0.1)(tail, head, noise), by_each, rtol=0, atol=1e-6)


def test_the_released_ratio_is_a_hand_written_loop_with_a_channel_for_each_map(maps):
    tail, head, noise = maps
    ratio = ReleasedRecipe(P, 0.8, 0.1)(tail, head, noise)
    for i in range(B):
        of_both = []
        for saliency, draw in ((tail[i, 0], noise[i, 0]), (head[i, 0], noise[i, 1])):
            patches = (saliency + 0.1 * draw).unfold(0, P, P).unfold(1, P, P).mean((-2, -1))
            of_both.append((patches - patches.min()) / (patches.max() - patches.min()) / 2 + 0.5)
        torch.testing.assert_close(ratio[i, 0], torch.maximum(*of_both).clamp(max=0.8), rtol=0, atol=1e-6)


@pytest.mark.parametrize("recipe", [PaperRecipe(P, 0.8, 0.1), ReleasedRecipe(P, 0.8, 0.1)])
def test_maps_without_contrast_keep_the_tail(recipe, maps):
    flat = torch.zeros_like(maps[0])
    ratio = recipe(flat, flat, maps[2])
    torch.testing.assert_close(ratio, torch.full_like(ratio, 0.8))


def test_fidelity_takes_maps_that_a_warp_rounded_out_of_range(maps):
    tail, head, noise = maps
    ratio = FidelityRecipe(P, 0.8)((tail / tail.amax()) * (1 + 1e-6), head, noise)
    assert torch.equal(FidelityRecipe(P, 0.8)(tail, head, noise), fidelity_ratio(tail, head, P, 0.8))
    assert ratio.shape == (B, 1, S // P, S // P)


def test_random_ratios_are_uniform_and_one_for_each_patch_or_image():
    noise = 2 * torch.rand(500, 2, S, S, generator=torch.Generator().manual_seed(1)) - 1
    by_patch, by_image = RandomRecipe(P, 0.8, 0.5)(noise, noise, noise), RandomRecipe(S, 0.8)(noise, noise, noise)
    assert by_patch.shape == (500, 1, S // P, S // P)
    assert by_image.shape == (500, 1, 1, 1)
    for ratio, low in ((by_patch, 0.5), (by_image, 0.0)):
        quarters = torch.histc(ratio, 4, low, 0.8) / ratio.numel()
        assert quarters.sum() == 1
        assert (quarters - 0.25).abs().max() < 4 * (3 / 16 / 500) ** 0.5
    assert by_patch.flatten(1).std(1).min() > 0.03


def test_without_patches_the_mean_of_the_recipe(maps):
    recipe = PaperRecipe(P, 0.8, 0.1)
    one = OnePerImage(recipe)(*maps)
    assert one.shape == (B, 1, 1, 1)
    torch.testing.assert_close(one.flatten(), recipe(*maps).flatten(1).mean(1))


def batch_of(labels: list[int], maps: bool = True, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    count = len(labels)

    def stream(labels: list[int]) -> Stream:
        views = tuple(torch.rand(2, count, 3, S, S, generator=generator))
        carried = tuple(torch.rand(2, count, 1, S, S, generator=generator)) if maps else ()
        return Stream(views, carried, torch.tensor(labels))

    noise = tuple(2 * torch.rand(2, count, 2, S, S, generator=generator) - 1)
    return Batch(stream(labels), stream([0] * count), noise)


def test_only_images_of_the_mixed_classes_are_mixed_each_view_by_its_own_maps():
    batch = batch_of([0, 3, 1, 3, 2])
    recipe = PaperRecipe(P, 0.8, 0.1)
    ratios = [StreamRatio(recipe, (2, 3), 4)(batch, view) for view in range(2)]
    for view, ratio in enumerate(ratios):
        by_hand = recipe(batch.labelled.maps[view], batch.partners.maps[view], batch.noise[view])
        by_hand[[0, 2]] = 1
        assert torch.equal(ratio, by_hand)
    assert not torch.equal(*ratios)


def test_every_other_image_is_mixed_and_each_view_decides_for_itself():
    batch = batch_of([1] * 600, maps=False)
    ratio = StreamRatio(RandomRecipe(P, 0.8), (1,), 2, probability=0.5)
    mixed = [(ratio(batch, view) < 1).all((1, 2, 3)) for view in range(2)]
    for chosen in mixed:
        assert abs(chosen.float().mean() - 0.5) < 0.08  # 4 sigma
    assert abs((mixed[0] == mixed[1]).float().mean() - 0.5) < 0.08


def test_a_mix_without_partners_is_an_error():
    batch = batch_of([0, 1])._replace(partners=None)
    with pytest.raises(ValueError, match="partners: expected a second stream"):
        StreamRatio(RandomRecipe(P, 0.8), (1,), 2)(batch, 0)
