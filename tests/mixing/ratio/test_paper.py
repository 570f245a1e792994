"""The two ratio recipes: the paper's and the released code's."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck

from longtail_mix import LesionAwareRatio, PaperRatio, ReleasedRatio
from longtail_mix.functional import lesion_aware_ratio, merged_saliency, paper_ratio, released_ratio


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise_of(shape: tuple[int, ...], noise: float, generator: torch.Generator) -> torch.Tensor:
    """From one number of the generator, pixel by pixel: SplitMix64, four pixels to each of its outputs."""
    seed = int(torch.randint(2**62, (1,), generator=generator))
    size, _, height, width = shape
    outputs = -(-height * width // 4)
    made = torch.empty(shape, dtype=torch.float64)
    for i in range(size):
        for pixel in range(height * width):
            bits = splitmix64_by_hand(seed + i * outputs + pixel // 4) >> (16 * (pixel % 4)) & 0xFFFF
            made[i, 0, pixel // width, pixel % width] = (bits - 2**16 if bits >= 2**15 else bits) / 2**15
    return noise * made


def splitmix64_by_hand(n: int) -> int:
    """Number n of its outputs for a seed of 0."""
    z = n * 0x9E3779B97F4A7C15 % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def stretch(values: list[float]) -> list[float]:
    low, high = min(values), max(values)
    return [(v - low) / (high - low) for v in values]


def patch_means(pixels: list[list[float]], size: int) -> list[list[float]]:
    rows, columns = len(pixels) // size, len(pixels[0]) // size
    return [
        [
            sum(pixels[i * size + a][j * size + b] for a in range(size) for b in range(size)) / size**2
            for j in range(columns)
        ]
        for i in range(rows)
    ]


def lesion_aware_ratio_by_hand(saliency: torch.Tensor, size: int, alpha: float) -> torch.Tensor:
    """[B,1,H,W] float64 with its noise already added -> [B,1,h,w]."""
    width = saliency.shape[-1]
    grids = []
    for one in saliency[:, 0]:
        cut = [min(v, alpha) for v in stretch(one.flatten().tolist())]
        grids.append(patch_means([cut[i : i + width] for i in range(0, len(cut), width)], size))
    return torch.tensor(grids, dtype=torch.float64).unsqueeze(1)


def released_ratio_by_hand(tail: torch.Tensor, head: torch.Tensor, size: int, alpha: float) -> torch.Tensor:
    """The released order of steps, with its normalisation left in (mean 0.144, std 0.137)."""

    def of_one(saliency: torch.Tensor) -> torch.Tensor:
        grids = []
        for one in saliency[:, 0]:
            means = patch_means(((one - 0.144) / 0.137).tolist(), size)
            flat = stretch([v for row in means for v in row])
            grids.append(torch.tensor(flat, dtype=torch.float64).view(len(means), -1) / 2 + 0.5)
        return torch.stack(grids).unsqueeze(1)

    return torch.maximum(of_one(tail), of_one(head)).clamp(max=alpha)


@pytest.mark.parametrize(("size", "alpha", "noise"), [(1, 0.8, 0.0), (2, 0.8, 0.1), (4, 1.0, 0.05), (8, 0.3, 0.5)])
def test_lesion_aware_ratio_equals_a_loop(size, alpha, noise):
    saliency = torch.rand(3, 1, 8, 16, dtype=torch.float64)
    noisy = saliency + noise_of(saliency.shape, noise, seeded(5))
    expected = lesion_aware_ratio_by_hand(noisy, size, alpha)
    torch.testing.assert_close(LesionAwareRatio(size, alpha, noise)(saliency, seeded(5)), expected)


@pytest.mark.parametrize(("size", "alpha", "noise"), [(1, 0.8, 0.0), (2, 0.8, 0.0685), (4, 1.0, 0.05), (8, 0.3, 0.5)])
def test_released_ratio_equals_a_loop(size, alpha, noise):
    tail, head = torch.rand(2, 3, 1, 8, 16, dtype=torch.float64)
    generator = seeded(5)
    noisy_tail = tail + noise_of(tail.shape, noise, generator)
    noisy_head = head + noise_of(head.shape, noise, generator)
    expected = released_ratio_by_hand(noisy_tail, noisy_head, size, alpha)
    torch.testing.assert_close(ReleasedRatio(size, alpha, noise)(tail, head, seeded(5)), expected)


def test_paper_recipe_merges_first():
    tail, head = torch.rand(2, 3, 1, 32, 32)
    expected = lesion_aware_ratio(merged_saliency(tail, head), 8, 0.7, 0.1, seeded(1))
    assert torch.equal(PaperRatio(8, 0.7, 0.1)(tail, head, seeded(1)), expected)
    assert torch.equal(paper_ratio(tail, head, 8, 0.7, 0.1, seeded(1)), expected)


sizes = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 6))


@given(
    sizes=sizes,
    batch=st.integers(0, 3),
    alpha=st.floats(1e-3, 1.0),
    noise=st.floats(0, 2),
    seed=st.integers(0, 2**31),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.float16]),
    flat=st.booleans(),
)
def test_invariants(sizes, batch, alpha, noise, seed, dtype, flat):
    rows, columns, patch = sizes
    maps = torch.rand(2, batch, 1, rows * patch, columns * patch, generator=seeded(seed)).to(dtype)
    tail, head = torch.full_like(maps, 0.3) if flat else maps
    tail_before, head_before = tail.clone(), head.clone()
    largest = torch.tensor(alpha, dtype=dtype)
    paper = lesion_aware_ratio(tail, patch, alpha, noise, seeded(seed))
    released = released_ratio(tail, head, patch, alpha, noise, seeded(seed))
    for ratio in (paper, released):
        assert ratio.shape == (batch, 1, rows, columns)
        assert ratio.dtype == dtype
        assert ((ratio >= 0) & (ratio <= largest)).all()  # also false for NaN
    assert (released >= torch.tensor(min(0.5, alpha), dtype=dtype)).all()
    assert torch.equal(lesion_aware_ratio(tail, patch, alpha, noise, seeded(seed)), paper)
    assert torch.equal(released_ratio(tail, head, patch, alpha, noise, seeded(seed)), released)
    assert torch.equal(tail, tail_before)
    assert torch.equal(head, head_before)


@pytest.mark.parametrize("noise", [0.0, 0.0685, 0.5])
def test_maps_without_contrast_keep_the_image_whose_label_is_kept(noise):
    flat, other = torch.full((2, 1, 8, 8), 0.25), torch.rand(2, 1, 8, 8)
    expected = torch.full((2, 1, 2, 2), 0.8)
    assert torch.equal(lesion_aware_ratio(flat, 4, 0.8, noise), expected)
    for tail, head in ((flat, flat), (flat, other), (other, flat)):
        assert torch.equal(released_ratio(tail, head, 4, 0.8, noise), expected)
    mixed = torch.cat([flat[:1], other[:1]])
    assert torch.equal(lesion_aware_ratio(mixed, 4, 0.8, noise)[:1], expected[:1])
    assert not torch.equal(lesion_aware_ratio(mixed, 4, 0.8, noise)[1:], expected[:1])
    for shape in ((1, 1, 1, 1), (1, 1, 8, 8)):  # one patch: nothing to compare it with
        one_patch = torch.rand(shape)
        assert torch.equal(released_ratio(one_patch, one_patch, shape[-1], 0.8, noise), torch.full((1, 1, 1, 1), 0.8))


def test_not_a_number_stays_visible_where_values_are_not_checked(device):
    maps = torch.rand(2, 1, 8, 8, device=device)
    maps[1, 0, 3, 3] = math.nan
    for recipe in (PaperRatio(4), ReleasedRatio(4)):
        ratio = torch.compile(recipe, fullgraph=True, backend="aot_eager")(maps, maps.flip(0).flip(0))
        assert ratio[1].isnan().any()
        assert ratio[0].isfinite().all()


def test_half_precision_maps_are_worked_on_in_float32():
    maps = torch.rand(1, 1, 16, 16).half()
    expected = lesion_aware_ratio(maps.float(), 4, 0.8, 0.0685, seeded(0)).half()
    assert torch.equal(lesion_aware_ratio(maps, 4, 0.8, 0.0685, seeded(0)), expected)


def test_each_image_is_stretched_on_its_own():
    saliency = torch.rand(2, 1, 8, 8)
    both = lesion_aware_ratio(torch.cat([saliency[:1], 0.01 * saliency[1:]]), 4, noise=0.0)
    torch.testing.assert_close(both[1:], lesion_aware_ratio(saliency[1:], 4, noise=0.0))


def test_noise_moves_the_ratio_by_about_its_size_and_differs_between_seeds():
    saliency = (torch.arange(64 * 64) % 2).float().view(1, 1, 64, 64)
    still = lesion_aware_ratio(saliency, 1, 1.0, 0.0)
    moved = lesion_aware_ratio(saliency, 1, 1.0, 0.1, seeded(0)) * 1.2 - 0.1  # undo the stretch from [-0.1, 1.1]
    assert 0.099 < (moved - still).abs().max() < 0.101
    assert abs((moved - still).mean()) < 0.004
    assert not torch.equal(lesion_aware_ratio(saliency, 1, generator=seeded(0)), still)
    assert not torch.equal(
        lesion_aware_ratio(saliency, 1, generator=seeded(0)), lesion_aware_ratio(saliency, 1, generator=seeded(1))
    )


def test_gradcheck():
    maps = torch.rand(2, 2, 1, 4, 4, dtype=torch.float64, generator=seeded(3)).unbind(0)
    tail, head = (m.requires_grad_() for m in maps)
    assert gradcheck(lambda s: lesion_aware_ratio(s, 2, 0.83, 0.05, seeded(0)), tail)
    assert gradcheck(lambda t, h: released_ratio(t, h, 2, 0.83, 0.05, seeded(0)), (tail, head))


@pytest.mark.parametrize("recipe", [PaperRatio(4), ReleasedRatio(4)])
def test_compiles_as_one_graph(recipe, device):
    tail, head = torch.rand(2, 2, 1, 8, 8, device=device)
    compiled = torch.compile(recipe, fullgraph=True, backend="aot_eager")
    torch.manual_seed(0)
    got = compiled(tail, head)
    torch.manual_seed(0)
    torch.testing.assert_close(got, recipe(tail, head))


@pytest.mark.parametrize("recipe", [PaperRatio(4, noise=0.0), ReleasedRatio(4, noise=0.0)])
def test_autocast_and_memory_format_change_nothing(recipe, device):
    tail, head = torch.rand(2, 2, 1, 8, 8, device=device)
    expected = recipe(tail, head)
    with torch.autocast(device.type, torch.bfloat16):
        assert torch.equal(recipe(tail, head), expected)
    odd = tail.transpose(-1, -2).contiguous().transpose(-1, -2)
    torch.testing.assert_close(recipe(odd, head), expected)


MAP = torch.zeros(2, 1, 8, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha: expected 0 < alpha <= 1, got 0.0"),
        ({"alpha": 1.1}, "alpha: expected 0 < alpha <= 1, got 1.1"),
        ({"alpha": math.nan}, "alpha: expected 0 < alpha <= 1, got nan"),
        ({"noise": -0.1}, "noise: expected a finite number of at least 0, got -0.1"),
        ({"noise": math.inf}, "noise: expected a finite number of at least 0, got inf"),
        ({"patch_size": 0}, "patch_size: expected at least 1, got 0"),
        ({"patch_size": 16.0}, "patch_size: expected a whole number, got 16.0"),
        ({"patch_size": True}, "patch_size: expected a whole number, got True"),
        ({"patch_size": [6705, 115]}, r"patch_size: expected a whole number, got \[6705, 115\]"),
        ({"alpha": "0.8"}, "alpha: expected a number, got '0.8'"),
        ({"noise": None}, "noise: expected a number, got None"),
    ],
)
def test_bad_options_raise_in_function_and_module(options, message):
    error = TypeError if "number, got" in message else ValueError
    for module in (LesionAwareRatio, PaperRatio, ReleasedRatio):
        with pytest.raises(error, match=message):
            module(**options)
    for function, maps in ((lesion_aware_ratio, [MAP]), (paper_ratio, [MAP, MAP]), (released_ratio, [MAP, MAP])):
        with pytest.raises(error, match=message):
            function(*maps, **options)


@pytest.mark.parametrize(
    ("tail", "error", "message"),
    [
        (MAP.long(), TypeError, "expected a floating-point tensor, got torch.int64"),
        (MAP[:, 0], ValueError, r"expected maps \[B, 1, H, W\], got shape \[2, 8, 8\]"),
        (MAP[..., :6], ValueError, "expected height and width divisible by the patch size 4, got 8x6"),
        (MAP * math.nan, ValueError, "expected finite values, got NaN or infinity"),
    ],
)
def test_bad_maps(tail, error, message):
    with pytest.raises(error, match=message):
        lesion_aware_ratio(tail, 4)
    with pytest.raises(error, match=message):
        released_ratio(tail, MAP[..., : tail.shape[-1]], 4)


def test_bad_generators_and_pairs():
    with pytest.raises(TypeError, match="generator: expected a torch.Generator or None, got int"):
        lesion_aware_ratio(MAP, 4, generator=3)
    with pytest.raises(ValueError, match="generator: expected a generator on meta, got one on cpu"):
        lesion_aware_ratio(MAP.to("meta"), 4, generator=seeded(0))
    with pytest.raises(TypeError, match="generator: expected a torch.Generator or None, got int"):
        released_ratio(MAP, MAP, 4, generator=3)
    with pytest.raises(ValueError, match="head: expected shape"):
        released_ratio(MAP, MAP[:1], 4)
    with pytest.raises(ValueError, match="head: expected finite values"):
        released_ratio(MAP, MAP / 0, 4)


def test_modules_show_their_options():
    assert repr(LesionAwareRatio(8)) == "LesionAwareRatio(patch_size=8, alpha=0.8, noise=0.0685)"
    assert repr(PaperRatio(8)) == "PaperRatio(patch_size=8, alpha=0.8, noise=0.0685)"
    assert repr(ReleasedRatio(8)) == "ReleasedRatio(patch_size=8, alpha=0.8, noise=0.0685)"
