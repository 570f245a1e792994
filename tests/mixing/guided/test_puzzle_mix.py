"""PuzzleMix: its energy against loops, its mask and its moves against all there are, in float64."""

import itertools
from math import comb, log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail_mix import PuzzleMix
from longtail_mix.mixing.guided._block_transport import exchange_blocks, transport_cost
from longtail_mix.mixing.guided._puzzle_mask import Energy, puzzle_energy, puzzle_mask


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=seeded(seed), dtype=torch.float64)


def saliency(number: int, blocks: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    both = uniform(2, number, blocks, blocks, seed=seed) ** 2
    both = both / both.sum((2, 3), keepdim=True)
    return both[0], both[1]


OPTIONS = {"beta": 1.2, "gamma": 0.5, "eta": 0.2}


def energy_by_loops(first, second, s1, s2, lam, share, levels, beta, gamma, eta):
    """The sum of the docstring, block by block and border by border."""
    n = len(share)
    h, w = (side // n for side in first.shape[-2:])
    total = 0.0
    for i, j in itertools.product(range(n), range(n)):
        z, k = share[i][j], round(share[i][j] * (levels - 1))
        chance = comb(levels - 1, k) * lam**k * (1 - lam) ** (levels - 1 - k)
        total += (1 - z) * s1[i, j] + z * s2[i, j] - eta / n**2 * log(chance)
        for di, dj in ((1, 0), (0, 1)):
            if i + di == n or j + dj == n:
                continue
            y = share[i + di][j + dj]
            differences = {}
            for a, upper in ((1, first), (0, second)):
                for b, lower in ((1, first), (0, second)):
                    rows, columns = slice(i * h, (i + 1) * h), slice(j * w, (j + 1) * w)
                    if di:
                        edge = upper[:, (i + 1) * h - 1, columns] - lower[:, (i + 1) * h, columns]
                    else:
                        edge = upper[:, rows, (j + 1) * w - 1] - lower[:, rows, (j + 1) * w]
                    differences[a, b] = edge.abs().mean()
            d = sum(
                (z if a else 1 - z) * (y if b else 1 - y) * difference for (a, b), difference in differences.items()
            )
            total += beta / (16 * n) * ((z - y) ** 2 + gamma * d)
    return total


@pytest.mark.parametrize(("blocks", "levels"), [(1, 3), (2, 2), (3, 4)])
def test_the_energy_equals_a_loop_over_blocks_and_borders(blocks, levels):
    first, second = uniform(2, 3, 2, 4 * blocks, 2 * blocks)
    s1, s2 = saliency(3, blocks)
    lam = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)
    energy = puzzle_energy(first, second, s1, s2, lam, levels, **OPTIONS)
    for seed in range(3):  # up to what all shares cost alike: compared to a mask of the second image alone
        share = (uniform(3, blocks, blocks, seed=seed) * (levels - 1)).round() / (levels - 1)
        for b in range(3):
            of = [first[b], second[b], s1[b], s2[b], lam[b].item()]
            expected, nothing = (
                energy_by_loops(*of, z.tolist(), levels, **OPTIONS) for z in (share[b], torch.zeros_like(share[b]))
            )
            found = energy.of(share)[b] - energy.of(torch.zeros_like(share))[b]
            torch.testing.assert_close(found, torch.as_tensor(expected - nothing, dtype=torch.float64))


@pytest.mark.parametrize(("blocks", "levels"), [(2, 3), (2, 5), (3, 2), (3, 3)])
def test_the_mask_is_near_the_best_of_all_masks(blocks, levels):
    pairs = 40
    first, second = uniform(2, pairs, 1, 2 * blocks, 2 * blocks)
    s1, s2 = saliency(pairs, blocks)
    energy = puzzle_energy(first, second, s1, s2, uniform(pairs), levels, **OPTIONS)
    steps = torch.linspace(0, 1, levels, dtype=torch.float64).tolist()
    every = torch.tensor(list(itertools.product(steps, repeat=blocks**2)), dtype=torch.float64)
    every = every.view(-1, blocks, blocks)
    best = []
    for b in range(pairs):
        of_pair = Energy(*(part[b].expand(len(every), *part.shape[1:]) for part in energy))
        best.append(of_pair.of(every).min())
    best = torch.stack(best)
    gap = energy.of(puzzle_mask(energy)) - best
    span = 1 / blocks**2  # the saliency of an even block
    assert gap.min() >= -1e-12
    assert gap.max() < 0.2 * span
    assert gap.mean() < 0.01 * span
    assert (gap < 1e-9).double().mean() >= 0.8


def cost_by_loops(s, z, xi):
    n = len(s)
    cells = list(itertools.product(range(n), range(n)))
    far = max(n - 1, 1) ** 2
    return torch.stack(
        [
            torch.stack([xi * ((a - c) ** 2 + (b - d) ** 2) / far - s[a, b] * z[c, d] for c, d in cells])
            for a, b in cells
        ]
    )


def total(cost: torch.Tensor, of_place: torch.Tensor) -> torch.Tensor:
    """What it costs [B] that block of_place[j] comes to place j."""
    return cost.gather(1, of_place.unsqueeze(1)).sum((1, 2))


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_the_cost_of_moves_equals_a_loop(blocks):
    s, z = saliency(2, blocks)[0], uniform(2, blocks, blocks)
    expected = torch.stack([cost_by_loops(s[b], z[b], 0.8) for b in range(2)])
    torch.testing.assert_close(transport_cost(s, z, 0.8), expected)


@pytest.mark.parametrize(("blocks", "xi"), [(2, 0.05), (2, 0.8), (3, 0.1)])
def test_moves_are_near_the_best_of_all_moves(blocks, xi):
    pairs = 20
    share = (uniform(pairs, blocks, blocks, seed=1) * 2).round() / 2
    cost = transport_cost(saliency(pairs, blocks)[0], share, xi)
    every = torch.tensor(list(itertools.permutations(range(blocks**2))))
    of_all = sum(cost[:, every[:, j], j] for j in range(blocks**2))
    best, stay = of_all.amin(1), cost.diagonal(dim1=1, dim2=2).sum(1)
    found = total(cost, exchange_blocks(cost, 8))
    assert (found >= best - 1e-12).all()
    assert (found - best).max() < 0.04  # of a saliency whose sum is 1
    assert (found - best).mean() < 0.006
    assert xi > 0.5 or (best < stay - 1e-9).double().mean() > 0.25  # there was something to find


@settings(max_examples=30)
@given(blocks=st.integers(1, 4), seed=st.integers(0, 2**31), rounds=st.integers(0, 5), xi=st.floats(0, 2))
def test_moves_put_each_block_in_one_place_and_never_cost_more(blocks, seed, rounds, xi):
    cost = transport_cost(saliency(3, blocks, seed)[0], uniform(3, blocks, blocks, seed=seed + 1).round(), xi)
    of_place = exchange_blocks(cost, rounds)
    every = torch.arange(blocks**2)
    assert torch.equal(of_place.sort(1).values, every.expand(3, -1))
    if rounds:
        assert (total(cost, of_place) <= total(cost, exchange_blocks(cost, rounds - 1)) + 1e-12).all()


def test_after_enough_rounds_no_exchange_of_two_saves_anything():
    cost = transport_cost(saliency(5, 3)[0], uniform(5, 3, 3).round(), 0.05)
    of_place = exchange_blocks(cost, 40)
    least = total(cost, of_place)
    for a, b in itertools.combinations(range(9), 2):
        other = of_place.clone()
        other[:, a], other[:, b] = of_place[:, b], of_place[:, a]
        assert (total(cost, other) >= least - 1e-12).all()


@settings(max_examples=15)
@given(blocks=st.integers(1, 4), sides=st.tuples(st.integers(1, 3), st.integers(1, 3)), seed=st.integers(0, 2**31))
def test_a_mix_equals_copying_blocks(blocks, sides, seed):
    h, w = sides
    first, second = uniform(2, 3, 2, blocks * h, blocks * w, seed=seed)
    maps = uniform(2, 3, 1, blocks * h, blocks * w, seed=seed + 1) ** 4
    labels = torch.arange(3)
    mix = PuzzleMix(blocks, xi=0.05)
    images, target, record = mix.with_record(first, labels, second, labels + 5, *maps, generator=seeded(seed))
    share = record.mask[:, 0].double()
    torch.testing.assert_close(target.lam.double(), share.mean((1, 2)), atol=1e-6, rtol=0)
    assert set((share * 2).unique().tolist()) <= {0.0, 1.0, 2.0}

    def means(of):
        s = of.view(3, blocks, h, blocks, w).mean((2, 4))
        return s / s.sum((1, 2), keepdim=True)

    for b in range(3):
        moved = []
        for image, of, shown in ((first[b], maps[0], share), (second[b], maps[1], 1 - share)):
            of_place = exchange_blocks(transport_cost(means(of), shown, 0.05), 8)[b]
            result = image.clone()
            for place, block in enumerate(of_place.tolist()):
                (i, j), (k, m) = divmod(place, blocks), divmod(block, blocks)
                result[:, i * h : (i + 1) * h, j * w : (j + 1) * w] = image[:, k * h : (k + 1) * h, m * w : (m + 1) * w]
            moved.append(result)
        of_pixel = share[b].repeat_interleave(h, 0).repeat_interleave(w, 1)
        torch.testing.assert_close(images[b], of_pixel * moved[0] + (1 - of_pixel) * moved[1], atol=1e-5, rtol=0)


def test_without_smoothness_and_prior_each_block_shows_the_more_salient_image():
    first, second = uniform(2, 4, 3, 6, 6)
    maps = uniform(2, 4, 1, 6, 6)
    labels = torch.arange(4)
    mix = PuzzleMix(3, beta=0.0, eta=0.0, xi=None)
    _, _, record = mix.with_record(first, labels, second, labels, *maps)
    s1, s2 = (of.view(4, 3, 2, 3, 2).mean((2, 4)) for of in maps)
    s1, s2 = (s / s.sum((1, 2), keepdim=True) for s in (s1, s2))
    assert torch.equal(record.mask[:, 0] == 1, s1 > s2)
    assert record.first_grid is None


def test_a_salient_block_that_is_hidden_changes_places_with_one_that_shows():
    first, second = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    first[..., :2, :2], second[..., :2, :2] = 0.25, 0.75
    maps = torch.zeros(2, 1, 1, 4, 4)
    maps[0, ..., :2, :2], maps[1, ..., :2, :2] = 0.1, 1  # both are salient in the same block
    maps[0, ..., :2, 2:], maps[1, ..., 2:, :] = 0.01, 0.01
    label = torch.tensor([0])
    mix = PuzzleMix(2, levels=2, beta=0.0, eta=0.0, xi=0.2)
    images, target = mix(first, label, second, label + 1, *maps)
    assert images[0, 0, ::2, ::2].tolist() == [[0.75, 0.25], [1.0, 1.0]]
    assert target.lam.tolist() == [0.25]


def test_nothing_salient_is_even_saliency():
    first, second = uniform(2, 2, 3, 4, 4)
    labels, none = torch.arange(2), torch.zeros(2, 1, 4, 4)
    mix = PuzzleMix(2)
    expected = mix(first, labels, second, labels, none + 1, none + 1, generator=seeded(0))
    images, target = mix(first, labels, second, labels, none, none, generator=seeded(0))
    assert torch.equal(images, expected[0])
    assert torch.equal(target.lam, expected[1].lam)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PuzzleMix(0), "blocks: expected at least 1, got 0"),
        (lambda: PuzzleMix(levels=1), "levels: expected at least 2, got 1"),
        (lambda: PuzzleMix(alpha=0), "alpha: expected a finite number above 0, got 0"),
        (lambda: PuzzleMix(beta=-1), "beta: expected a finite number of at least 0, got -1"),
        (lambda: PuzzleMix(xi=-1), "xi: expected a finite number of at least 0, got -1"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_blocks_have_to_divide_the_images():
    images, labels = torch.rand(2, 3, 8, 12), torch.arange(2)
    with pytest.raises(ValueError, match="first: expected sides that 8 blocks divide, got 8x12"):
        PuzzleMix(8)(images, labels, images, labels)
