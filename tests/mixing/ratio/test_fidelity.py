"""FidelityRatio against a search over all ratios, and what it refuses."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail_mix import FidelityRatio, SPMix
from longtail_mix.functional import fidelity_ratio
from longtail_mix.metrics import mix_fidelity
from longtail_mix.mixing.ratio import _maps


def maps_of(seed: int, number: int = 2, height: int = 4, width: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tail, head = torch.rand(2, number, 1, height, width, generator=generator, dtype=torch.float64)
    return tail**4, head**4  # mostly skin


def expected_score(ratio, tail, head, p):
    """Sum over the three regions of their weighted mean of r or 1 - r, each region one patch larger; one pair."""
    height, width = tail.shape
    kept = [0.0, 0.0, 0.0]
    size = [float(p * p)] * 3
    for y, x in itertools.product(range(height), range(width)):
        t, h, r = tail[y, x].item(), head[y, x].item(), ratio[y // p][x // p]
        for i, (region, share) in enumerate(((t, r), (h * (1 - t), r), ((1 - t) * (1 - h), 1 - r))):
            kept[i] += region * share
            size[i] += region
    return sum(k / s for k, s in zip(kept, size, strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_no_other_ratio_has_a_better_score(seed):
    tail, head = maps_of(seed)
    found = fidelity_ratio(tail, head, patch_size=2, alpha=0.8)
    for i in range(2):
        scores = {
            flat: expected_score([flat[:3], flat[3:]], tail[i, 0], head[i, 0], 2)
            for flat in itertools.product((0.0, 0.4, 0.8), repeat=6)
        }
        best = max(scores, key=scores.__getitem__)
        assert found[i].flatten().tolist() == pytest.approx(best)


def test_with_the_true_masks_its_mix_keeps_more_than_the_papers_recipe_does():
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    tail = ((y - 30) ** 2 + (x - 26) ** 2 < 15**2).float().view(1, 1, 64, 64)
    head = ((y - 40) ** 2 + (x - 44) ** 2 < 12**2).float().view(1, 1, 64, 64)

    def composite(ratio):
        retention, leak, background = mix_fidelity(ratio, tail.bool(), head.bool())[0].tolist()
        return (retention + 1 - leak + background) / 3

    ours = composite(FidelityRatio(patch_size=8)(tail, head))
    assert ours > composite(SPMix(patch_size=8, noise=0.0).recipe(tail, head)) + 0.02
    assert ours < (0.8 + 0.8 + 1) / 3


def test_a_hint_of_a_lesion_is_not_taken_for_a_small_one():
    tail, head = torch.zeros(2, 1, 1, 32, 32)
    tail[..., 8:24, 8:24] = 1
    head[..., :8, :8] = 1e-3
    assert fidelity_ratio(tail, head, 8)[0, 0, 0, 0] == 0
    head[..., :8, :8] = 1
    assert fidelity_ratio(tail, head, 8)[0, 0, 0, 0] == pytest.approx(0.8)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_flat_tail_map_keeps_the_whole_image(value):
    head = maps_of(0)[1]
    assert (fidelity_ratio(torch.full_like(head, value), head, 2, 0.75) == 0.75).all()


def test_a_flat_head_map_leaves_the_tails_lesion():
    tail = torch.zeros(1, 1, 8, 8)
    tail[..., :4, :4] = 1
    assert fidelity_ratio(tail, torch.zeros_like(tail), 4).tolist() == [[[[pytest.approx(0.8), 0.0], [0.0, 0.0]]]]


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.sampled_from([1, 2]), st.floats(0.05, 1.0))
def test_each_ratio_is_an_end_of_its_interval_and_images_do_not_mix(seed, patch_size, alpha):
    tail, head = maps_of(seed, number=3)
    before = tail.clone(), head.clone()
    ratio = fidelity_ratio(tail, head, patch_size, alpha)
    assert ratio.shape == (3, 1, 4 // patch_size, 6 // patch_size)
    assert ((ratio == 0) | (ratio == alpha)).all()
    for i in range(3):
        assert torch.equal(ratio[i : i + 1], fidelity_ratio(tail[i : i + 1], head[i : i + 1], patch_size, alpha))
    assert torch.equal(tail, before[0])
    assert torch.equal(head, before[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_dtype_follows_the_maps(device, dtype):
    tail, head = (m.to(device, dtype) for m in maps_of(1))
    ratio = fidelity_ratio(tail, head, 2)
    assert (ratio.dtype, ratio.device.type) == (dtype, device.type)
    assert torch.equal(ratio > 0, fidelity_ratio(tail.float(), head.float(), 2) > 0)
    assert ratio.max().item() == torch.tensor(0.8, dtype=dtype).item()


def test_empty_and_channels_last_batches():
    tail, head = maps_of(2)
    assert fidelity_ratio(tail[:0], head[:0], 2).shape == (0, 1, 2, 3)
    last = [m.to(memory_format=torch.channels_last) for m in (tail, head)]
    assert torch.equal(fidelity_ratio(*last, 2), fidelity_ratio(tail, head, 2))


def test_it_compiles_as_one_graph_and_nan_stays_seen_there():
    recipe = torch.compile(FidelityRatio(patch_size=2), fullgraph=True, backend="eager")
    tail, head = maps_of(3)
    assert torch.equal(recipe(tail, head), fidelity_ratio(tail, head, 2))
    tail[0, 0, 0, 0] = torch.nan
    ratio = recipe(tail, head)
    assert ratio[0].isnan().all()
    assert not ratio[1].isnan().any()


def test_spmix_takes_it_as_its_recipe():
    images = torch.rand(4, 3, 32, 32)
    labels = torch.tensor([0, 0, 0, 1])
    mixed, _ = SPMix([6, 2], recipe=FidelityRatio(patch_size=8))(images, labels)
    assert torch.equal(mixed[:3], images[:3])
    assert not torch.equal(mixed[3], images[3])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"tail": torch.full((1, 1, 4, 4), 1.5)}, ValueError, r"tail: expected values in \[0, 1\], got 1.5 to 1.5"),
        ({"head": torch.full((1, 1, 4, 4), -0.5)}, ValueError, r"head: expected values in \[0, 1\], got -0.5"),
        ({"tail": torch.full((1, 1, 4, 4), torch.nan)}, ValueError, "tail: expected finite values"),
        ({"head": torch.zeros(1, 1, 4, 8)}, ValueError, r"head: expected shape \[1, 1, 4, 4\] like tail"),
        ({"tail": torch.zeros(1, 1, 4, 4, dtype=torch.int64)}, TypeError, "tail: expected a floating-point tensor"),
        ({"head": torch.zeros(1, 3, 4, 4)}, ValueError, r"head: expected maps \[B, 1, H, W\]"),
        ({"patch_size": 3}, ValueError, "tail: expected height and width divisible by the patch size 3"),
        ({"patch_size": 0}, ValueError, "patch_size: expected at least 1"),
        ({"alpha": 0.0}, ValueError, "alpha: expected 0 < alpha <= 1"),
    ],
)
def test_what_does_not_fit_is_refused(change, error, message):
    arguments = {"tail": torch.zeros(1, 1, 4, 4), "head": torch.zeros(1, 1, 4, 4), "patch_size": 2, "alpha": 0.8}
    with pytest.raises(error, match=message):
        fidelity_ratio(**{**arguments, **change})


def test_the_module_refuses_bad_options_and_shows_good_ones():
    with pytest.raises(ValueError, match="alpha: expected 0 < alpha <= 1"):
        FidelityRatio(alpha=1.5)
    with pytest.raises(ValueError, match="patch_size: expected at least 1"):
        FidelityRatio(patch_size=0)
    assert repr(FidelityRatio(8, 0.5)) == "FidelityRatio(patch_size=8, alpha=0.5)"


def test_the_size_of_a_chunk_does_not_matter(monkeypatch):
    tail, head = maps_of(3, number=5, height=8, width=8)
    expected = fidelity_ratio(tail, head, patch_size=2)
    for pixels in (1, 2 * 64, 2**30):
        monkeypatch.setattr(_maps, "_CHUNK", pixels)
        assert torch.equal(fidelity_ratio(tail, head, patch_size=2), expected)
