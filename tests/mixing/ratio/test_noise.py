"""The noise of the ratios: known answers, evenly spread, the same whatever surrounds a map."""

import math

import pytest
import torch

from longtail_mix.functional import lesion_aware_ratio, paper_ratio, released_ratio
from longtail_mix.mixing.ratio import _maps
from longtail_mix.mixing.ratio._noise import GAMMA, add_noise, signed_noise, splitmix64, starts_of

SEED = torch.tensor([2**61 + 12345678901])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_known_answers_of_splitmix64():
    # From the reference implementation of its authors, seed 1234567: output n mixes seed + n * gamma, from 1 on.
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    start = (1234567 * pow(GAMMA % 2**64, -1, 2**64) + 1) % 2**64
    signed = start - 2**64 if start >= 2**63 else start
    assert [int(n) % 2**64 for n in splitmix64(torch.tensor([signed]), 4)[0]] == expected


# torch 2.6 warns about a part of itself that its cache leaves out.
@pytest.mark.filterwarnings("ignore:Skipping serialization of skipfiles_inline_module_allowlist")
def test_inductor_makes_the_same_noise():
    maps = torch.rand(3, 1, 8, 12)

    def noisy(maps: torch.Tensor, seed: torch.Tensor) -> torch.Tensor:
        return add_noise(maps, 0.25, starts_of(seed, len(maps), 96))

    torch.testing.assert_close(torch.compile(noisy, fullgraph=True)(maps, SEED), noisy(maps, SEED), rtol=0, atol=1e-7)


def test_values_are_spread_evenly_and_know_nothing_of_their_neighbours():
    size, pixels = 32, 8192
    values = signed_noise(starts_of(SEED, size, pixels), pixels).double() / 2**15
    assert values.shape == (size, pixels)
    assert (values >= -1).all()
    assert (values < 1).all()
    sigma = 1 / math.sqrt(3 * values.numel())  # of the mean of uniform numbers in [-1, 1]
    assert abs(values.mean()) < 4 * sigma
    assert abs(values.square().mean() - 1 / 3) < 4 * math.sqrt(4 / 45 / values.numel())
    # Chi-squared over 256 bins: mean 255, standard deviation sqrt(510).
    counts = torch.histc(values.float(), 256, -1, 1).double()
    expected = values.numel() / 256
    assert abs((counts - expected).square().sum() / expected - 255) < 4 * math.sqrt(510)
    # Correlation at every lag within an output, across outputs, across a row of 128 pixels, and between images.
    flat = values.flatten()
    for lag in (1, 2, 3, 4, 5, 8, 128, pixels):
        assert abs((flat[lag:] * flat[:-lag]).mean()) < 4 / 3 / math.sqrt(len(flat) - lag), lag
    # And between seeds that follow each other.
    other = signed_noise(starts_of(SEED + 1, size, pixels), pixels).double().flatten() / 2**15
    assert abs((flat * other).mean()) < 4 / 3 / math.sqrt(len(flat))


@pytest.mark.parametrize("pixels", [1, 3, 4, 5])
def test_any_number_of_pixels(pixels):
    noise = signed_noise(starts_of(SEED, 2, pixels), pixels)
    assert noise.shape == (2, pixels)
    longer = signed_noise(starts_of(SEED, 5, pixels), pixels)
    assert torch.equal(longer[:2], noise)


def test_noise_depends_on_the_place_alone():
    maps = torch.rand(4, 1, 8, 12)
    starts = starts_of(SEED, 4, 96)
    expected = add_noise(maps, 0.3, starts)
    # channels_last, transposed, every other column of a wider tensor
    others = (
        maps.to(memory_format=torch.channels_last),
        maps.mT.contiguous().mT,
        torch.stack([maps, maps], -1).flatten(-2)[..., ::2],
    )
    for same in others:
        assert torch.equal(same, maps)
        assert torch.equal(add_noise(same, 0.3, starts), expected)
        for ratio in (lesion_aware_ratio, lambda m, *a: paper_ratio(m, m, *a), lambda m, *a: released_ratio(m, m, *a)):
            assert torch.equal(ratio(same, 4, 0.8, 0.3, seeded(0)), ratio(maps, 4, 0.8, 0.3, seeded(0)))
    of_all = lesion_aware_ratio(maps, 4, 0.8, 0.3, seeded(0))
    assert torch.equal(lesion_aware_ratio(maps[:2], 4, 0.8, 0.3, seeded(0)), of_all[:2])


def test_a_call_takes_as_much_from_the_generator_whatever_the_batch():
    def next_number(batch: int) -> float:
        generator = seeded(0)
        paper_ratio(*torch.rand(2, batch, 1, 8, 8), 4, generator=generator)
        return float(torch.rand(1, generator=generator))

    assert next_number(0) == next_number(1) == next_number(7)


def test_the_size_of_a_chunk_does_not_matter(monkeypatch):
    tail, head = torch.rand(2, 5, 1, 16, 24)
    expected = paper_ratio(tail, head, 8, generator=seeded(0))
    alone = lesion_aware_ratio(tail, 8, generator=seeded(0))
    released = released_ratio(tail, head, 8, generator=seeded(0))
    for pixels in (1, 2 * 16 * 24, 2**30):
        monkeypatch.setattr(_maps, "_CHUNK", pixels)
        assert torch.equal(paper_ratio(tail, head, 8, generator=seeded(0)), expected)
        assert torch.equal(lesion_aware_ratio(tail, 8, generator=seeded(0)), alone)
        assert torch.equal(released_ratio(tail, head, 8, generator=seeded(0)), released)
