"""Shares from a symmetric Beta distribution."""

import pytest
import torch
from torch.distributions import Beta

from longtail_mix.functional import draw_lam

MANY = torch.zeros(40_000, dtype=torch.long)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5, 1.0, 2.0, 20.0])
def test_the_distribution_is_that_of_torch(alpha):
    drawn = draw_lam(MANY, alpha, seeded(0)).sort().values
    torch.manual_seed(0)
    expected = Beta(torch.tensor(alpha, dtype=torch.float64), torch.tensor(alpha, dtype=torch.float64))
    expected = expected.sample((len(MANY),)).sort().values
    # Two samples of one distribution: the Kolmogorov-Smirnov distance exceeds this once in 1,000.
    at = torch.linspace(0, 1, 2001)[1:-1]  # its ends hold all that is rounded to 0 or 1
    mine, theirs = (torch.searchsorted(s, at.to(s.dtype)) / len(MANY) for s in (drawn, expected))
    assert (mine - theirs).abs().max() < 1.95 * (2 / len(MANY)) ** 0.5
    assert drawn[0] >= 0
    assert drawn[-1] <= 1


def test_moments():
    for alpha in (0.3, 1.0, 4.0):
        lam = draw_lam(MANY, alpha, seeded(1)).double()
        variance = 1 / (4 * (2 * alpha + 1))
        assert abs(lam.mean() - 0.5) < 4 * (variance / len(MANY)) ** 0.5
        assert abs(lam.var() - variance) < 0.02 * variance


@pytest.mark.parametrize("alpha", [1e-30, 1e-3, 1e30])
def test_extreme_alphas_are_never_nan(alpha):
    lam = draw_lam(MANY, alpha, seeded(0))
    assert ((lam >= 0) & (lam <= 1)).all()
    if alpha < 1:
        assert ((lam < 0.01) | (lam > 0.99)).float().mean() > 0.98
        assert abs((lam > 0.5).float().mean() - 0.5) < 0.01
    else:
        assert (lam == 0.5).all()


def test_draws_follow_the_generator(device):
    labels = torch.arange(5, device=device)
    first, again, other = (draw_lam(labels, 1.0, torch.Generator(device).manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.dtype == torch.float32
    assert draw_lam(labels[:0], 1.0).shape == (0,)


def test_bad_input():
    with pytest.raises(ValueError, match="alpha: expected a finite number above 0, got 0"):
        draw_lam(MANY, 0)
    with pytest.raises(TypeError, match="labels: expected integer labels, got torch.float32"):
        draw_lam(MANY.float(), 1)
    with pytest.raises(TypeError, match="generator: expected a torch.Generator or None, got int"):
        draw_lam(MANY, 1, 0)
