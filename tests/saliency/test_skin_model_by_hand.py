"""The two-class model of skin contrast once more in NumPy, cell by cell and with its numbers written out."""

import numpy as np
import pytest
import torch

from longtail_mix.saliency._skin_model import border_ring, outside_corners
from longtail_mix.saliency.skin_contrast import _full_size, _log_odds

CELLS = 56
AT = (2 * np.arange(CELLS) + 1 - CELLS) / CELLS
X, Y = (part.ravel() for part in np.meshgrid(AT, AT))


def as_tensor(lab):
    return torch.from_numpy(lab).view(1, 3, CELLS, CELLS)


def box_mean(row, cells):
    image = np.pad(row.reshape(CELLS, CELLS), cells, mode="edge")
    width = 2 * cells + 1
    return np.array([[image[y : y + width, x : x + width].mean() for x in range(CELLS)] for y in range(CELLS)]).ravel()


def otsu(row):
    ordered = np.sort(row)
    best = None
    for i in range(1, len(ordered)):
        low, high = ordered[:i].mean(), ordered[i:].mean()
        between = i * (len(ordered) - i) * (high - low) ** 2
        if best is None or between > best[0]:
            best = between, (low + high) / 2, (high - low) / 2
    return best[1:]


def skin_surface(lab, ring):
    """Six rounds of reweighted least squares."""
    basis = np.stack([np.ones_like(X), X, Y, X * X - 1 / 3, X * Y, Y * Y - 1 / 3])
    pull = np.diag([1e-6, 0.0025, 0.0025, 0.005, 0.005, 0.005])
    ring = ring + 1e-5
    weights = ring
    for _ in range(6):
        share = weights / weights.sum()
        surface = np.linalg.solve((basis * share) @ basis.T + pull, (basis * share) @ lab.T)
        residual = lab - surface.T @ basis
        error = ((residual**2).sum(0) + 4 * np.maximum(-residual[0], 0) ** 2) / 49
        weights = ring / (1 + error) ** 2
    return lab - residual


def surprise(points, weights, variance, around_mean):
    weights = (weights + 1e-6) / (weights + 1e-6).sum()
    if around_mean:
        points = points - (points * weights).sum(1, keepdims=True)
    spread = (points * weights) @ points.T + variance * np.eye(3)
    return (points * np.linalg.solve(spread, points)).sum(0) / 2 + np.linalg.slogdet(spread)[1] / 2


def ellipse(weights):
    weights = (weights + 1e-6) / (weights + 1e-6).sum()
    xy = np.stack([X, Y])
    xy = xy - (xy * weights).sum(1, keepdims=True)
    spread = 0.85 * (xy * weights) @ xy.T + 0.015 * np.eye(2)
    return (xy * np.linalg.solve(spread, xy)).sum(0) / 2


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def by_hand(lab, center_prior):
    """Log odds, whether a lesion shows in each cell, and the lesion's share at the start of each round."""
    corners = outside_corners(as_tensor(lab))
    valid, ring = corners.numpy().ravel(), border_ring(corners).numpy().ravel()
    residual = (lab - skin_surface(lab, ring)) * valid
    from_centre = X**2 + Y**2
    distance = np.sqrt((residual**2).sum(0)) + 1.5 * np.maximum(-residual[0], 0)
    contrast = box_mean(distance, 3) * valid * np.exp(-center_prior / 2 * from_centre)
    threshold, spread = otsu(contrast)
    excess = (contrast - 0.56 * threshold) / (spread + 3)
    prior = 1 + 2 * excess - center_prior * (from_centre - 0.2)
    lesion, shares = sigmoid(excess) * valid, []
    for _ in range(3):
        shares.append(lesion.mean())
        share = min(max(shares[-1], 0.02), 0.98)
        odds = (
            surprise(residual, (1 - lesion) * valid, 15, False) - surprise(residual, lesion, 4, True) - ellipse(lesion)
        )
        log_odds = box_mean(odds + np.log(share / (1 - share)) + prior, 2)
        lesion = sigmoid(3 * log_odds) * valid
    return log_odds, (contrast.max() >= 2.3) * valid, shares


def lab_of(radius, lens=2.0):
    """A disc off the centre on mottled skin with a slope, seen through a round lens."""
    noise = np.random.default_rng(0).normal(0, 1.5, (3, CELLS * CELLS))
    skin = np.stack([70 + 3 * X, 15 + 2 * Y, 18 - X * Y])
    lesion = np.hypot(X - 0.2, Y + 0.1) < radius
    seen = skin + noise + np.where(lesion, np.array([-35.0, 4.0, -6.0])[:, None], 0)
    return np.where(np.hypot(X, Y) < lens, seen, np.array([5.0, 0.0, 0.0])[:, None])


CASES = {"small": (0.1,), "middling": (0.4,), "large": (0.9,), "all": (2.0,), "lens": (0.1, 0.4)}


@pytest.mark.parametrize("center_prior", [0.0, 1.5])
@pytest.mark.parametrize("case", CASES)
def test_the_log_odds_are_those_computed_by_hand(case, center_prior):
    lab = lab_of(*CASES[case])
    expected, shows, _ = by_hand(lab, center_prior)
    log_odds, valid = _log_odds(as_tensor(lab), center_prior)
    torch.testing.assert_close(log_odds.flatten(), torch.from_numpy(expected), rtol=1e-8, atol=1e-8)
    assert np.array_equal(valid.flatten().numpy(), shows)


def test_the_cases_reach_both_limits_of_the_lesions_share():
    assert by_hand(lab_of(*CASES["all"]), 0.0)[2][-1] > 0.98
    assert by_hand(lab_of(*CASES["lens"]), 0.0)[2][-1] < 0.02


@pytest.mark.parametrize(("depth", "shows"), [(0.8, 0.0), (1.1, 1.0)])
def test_what_nobody_would_notice_is_no_lesion(depth, shows):
    disc = np.hypot(X - 0.2, Y + 0.1) < 0.4
    lab = np.stack([70 - depth * disc, np.full_like(X, 15), np.full_like(X, 18)])
    assert set(by_hand(lab, 0.0)[1]) == {shows}  # 2.5 times the depth, against 2.3
    assert _log_odds(as_tensor(lab), 0.0)[1].unique().tolist() == [shows]


def test_the_map_bends_the_log_odds_below_eight():
    log_odds = torch.linspace(-20, 20, CELLS * CELLS, dtype=torch.float64).view(1, 1, CELLS, CELLS)
    both = torch.cat([log_odds, torch.ones_like(log_odds)], 1)
    found = _full_size(both, torch.ones(1, CELLS, CELLS, dtype=torch.bool), CELLS, CELLS)
    sharp = 3 * log_odds.numpy()
    expected = sigmoid(sharp / (1 + np.abs(sharp) / 8))
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=1e-9, atol=1e-12)
