"""Resampling of lesions against loops."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bootstrap import bootstrap_means, bootstrap_quantiles, interval, lesion_draws

LESIONS = ("a", "b", "a", "c", "d", "d", "d")


def test_the_images_of_a_lesion_are_drawn_together_and_as_many_lesions_as_there_are():
    draws = lesion_draws(LESIONS, replicates=200, seed=0)
    assert torch.equal(draws[:, 0], draws[:, 2])
    assert torch.equal(draws[:, 4], draws[:, 6])
    assert (draws[:, [0, 1, 3, 4]].sum(1) == 4).all()
    assert draws.mean(0).sub(1).abs().max() < 0.25  # each lesion once on average; its deviation is 0.06
    assert torch.equal(draws, lesion_draws(LESIONS, replicates=200, seed=0))
    assert not torch.equal(draws, lesion_draws(LESIONS, replicates=200, seed=1))


@given(st.integers(0, 2**31))
def test_means_and_quantiles_equal_a_loop_over_the_resample(seed):
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(7, 2, generator=generator, dtype=torch.float64)
    values[torch.rand(7, 2, generator=generator) < 0.2] = math.nan
    draws = lesion_draws(LESIONS, replicates=5, seed=seed)
    means = bootstrap_means(values, draws)
    for column in range(2):
        quantiles = bootstrap_quantiles(values[:, column], draws, 0.3)
        for replicate, draw in enumerate(draws.int().tolist()):
            resample = sorted(
                value
                for value, times in zip(values[:, column].tolist(), draw, strict=True)
                for _ in range(times)
                if not math.isnan(value)
            )
            if not resample:
                assert means[replicate, column].isnan()
                continue
            mean = math.fsum(resample) / len(resample)
            assert means[replicate, column].item() == pytest.approx(mean, abs=1e-14)
            at = math.ceil(0.3 * len(resample)) - 1
            assert quantiles[replicate].item() == resample[at]


def test_a_resample_of_one_image_a_lesion_has_the_interval_of_the_normal_distribution():
    values = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    draws = lesion_draws([str(i) for i in range(4000)], replicates=2000, seed=0)
    low, high = interval(bootstrap_means(values, draws)[:, 0])
    half_width = 1.96 * values.std().item() / math.sqrt(4000)
    # The standard error of a 2.5 % quantile of 2000 replicates is 4 % of the half width.
    assert low == pytest.approx(values.mean().item() - half_width, abs=0.12 * half_width)
    assert high == pytest.approx(values.mean().item() + half_width, abs=0.12 * half_width)


def test_lesions_with_many_alike_images_widen_the_interval():
    of_lesion = torch.rand(50, 1, generator=torch.Generator().manual_seed(0))
    values = of_lesion.repeat_interleave(10, 0)
    together = lesion_draws([str(i // 10) for i in range(500)], replicates=500, seed=0)
    apart = lesion_draws([str(i) for i in range(500)], replicates=500, seed=0)
    widths = [high - low for low, high in (interval(bootstrap_means(values, d)[:, 0]) for d in (together, apart))]
    assert widths[0] > 2.5 * widths[1]  # the square root of 10, were the draws endless


def test_nothing_defined_is_not_a_number():
    draws = lesion_draws(LESIONS, replicates=3, seed=0)
    nothing = torch.full((7,), math.nan)
    assert bootstrap_quantiles(nothing, draws, 0.1).isnan().all()
    assert bootstrap_means(nothing[:, None], draws).isnan().all()
