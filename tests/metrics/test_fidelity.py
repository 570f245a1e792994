"""MixFidelity against a loop over pixels, in any batches."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longtail_mix.metrics import MixFidelity, mix_fidelity

NAMES = ("retention", "leak", "background")


def by_hand(ratio: torch.Tensor, tail: torch.Tensor, head: torch.Tensor) -> list[float]:
    """One pair, [h,w] and [H,W], pixel by pixel in Python numbers."""
    height, width = tail.shape
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    for y in range(height):
        for x in range(width):
            r = ratio[y * ratio.shape[0] // height, x * ratio.shape[1] // width].item()
            if tail[y, x]:
                found["retention"].append(r)
            elif head[y, x]:
                found["leak"].append(1 - r)
            else:
                found["background"].append(1 - r)
    return [math.fsum(found[n]) / len(found[n]) if found[n] else math.nan for n in NAMES]


def draw(seed: int, batch: int, grid: tuple[int, int], patch: tuple[int, int]):
    generator = torch.Generator().manual_seed(seed)
    ratio = torch.rand(batch, 1, *grid, generator=generator)
    size = (batch, 1, grid[0] * patch[0], grid[1] * patch[1])
    # A third of the masks is empty or full.
    share = torch.rand(2, batch, 1, 1, 1, generator=generator) * 1.5 - 0.25
    tail, head = (torch.rand(size, generator=generator) < share[i] for i in range(2))
    return ratio, tail, head


@given(
    seed=st.integers(0, 2**31),
    batch=st.integers(1, 6),
    grid=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    patch=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    parts=st.integers(1, 3),
)
def test_equals_a_loop_over_pixels_in_any_batches(seed, batch, grid, patch, parts):
    ratio, tail, head = draw(seed, batch, grid, patch)
    expected = torch.tensor([by_hand(ratio[b, 0], tail[b, 0], head[b, 0]) for b in range(batch)], dtype=torch.float64)
    # float64 sums of at most 144 terms
    torch.testing.assert_close(mix_fidelity(ratio, tail, head), expected, rtol=1e-13, atol=0, equal_nan=True)

    metric = MixFidelity()
    for part in torch.arange(batch).chunk(parts):
        metric.update(ratio[part], tail[part], head[part])
    means = expected.nanmean(0)
    measured = metric.compute()
    torch.testing.assert_close(torch.stack([measured[n] for n in NAMES]), means, rtol=1e-13, atol=0, equal_nan=True)
    composite = (means[0] + 1 - means[1] + means[2]) / 3
    torch.testing.assert_close(measured["composite"], composite, rtol=1e-13, atol=0, equal_nan=True)


def test_a_ratio_for_each_pixel_is_the_same_as_one_for_each_patch():
    ratio, tail, head = draw(3, 4, (3, 2), (4, 5))
    spread = ratio.repeat_interleave(4, 2).repeat_interleave(5, 3)
    torch.testing.assert_close(
        mix_fidelity(spread, tail, head), mix_fidelity(ratio, tail, head), rtol=1e-13, atol=0, equal_nan=True
    )


def test_the_perfect_ratio_and_plain_mixup():
    tail, head = torch.zeros(2, 1, 4, 4, dtype=torch.bool).chunk(2)
    tail[..., :2, :2], head[..., 2:, 2:] = True, True
    perfect = mix_fidelity((tail | head).double(), tail, head)
    assert perfect.tolist() == [[1.0, 0.0, 1.0]]
    assert mix_fidelity(torch.full((1, 1, 2, 2), 0.5), tail, head).tolist() == [[0.5, 0.5, 0.5]]


def test_every_pair_counts_once_whatever_its_lesions_size():
    small, large = torch.zeros(2, 1, 4, 4, dtype=torch.bool).chunk(2)
    small[..., 0, 0], large[..., :3, :] = True, True
    metric = MixFidelity()
    metric.update(torch.full((1, 1, 1, 1), 0.2), small, small)
    metric.update(torch.full((1, 1, 1, 1), 0.6), large, large)
    assert metric.compute()["retention"].item() == pytest.approx(0.4, abs=1e-7)  # of 0.2 and 0.6 in float32
    assert metric.compute()["leak"].isnan()
    metric.reset()
    metric.update(torch.full((1, 1, 1, 1), 0.2), small, small)
    assert metric.compute()["retention"].item() == pytest.approx(0.2, abs=1e-7)


def test_states_are_sums_so_processes_add_up():
    whole, parts = MixFidelity(), [MixFidelity(), MixFidelity()]
    ratio, tail, head = draw(1, 6, (2, 2), (2, 2))
    whole.update(ratio, tail, head)
    for part, rows in zip(parts, torch.arange(6).split([1, 5]), strict=True):
        part.update(ratio[rows], tail[rows], head[rows])
    together = MixFidelity()
    together.sums, together.pairs = parts[0].sums + parts[1].sums, parts[0].pairs + parts[1].pairs
    together.update(ratio[:0], tail[:0], head[:0])
    for name, value in whole.compute().items():
        torch.testing.assert_close(together.compute()[name], value, rtol=1e-13, atol=0, equal_nan=True)


MASK = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
RATIO = torch.full((1, 1, 2, 2), 0.5)


@pytest.mark.parametrize(
    ("ratio", "tail", "head", "error", "message"),
    [
        (RATIO.int(), MASK, MASK, TypeError, "ratio: expected a floating-point tensor, got torch.int32"),
        (RATIO[0], MASK, MASK, ValueError, r"ratio: expected maps \[B, 1, H, W\], got shape \[1, 2, 2\]"),
        (RATIO * math.nan, MASK, MASK, ValueError, "ratio: expected finite values"),
        (RATIO * 3, MASK, MASK, ValueError, r"ratio: expected values in \[0, 1\], got 1.5 to 1.5"),
        (RATIO, MASK.float(), MASK, TypeError, "tail_mask: expected a bool mask, got torch.float32"),
        (RATIO, MASK, MASK.byte(), TypeError, "head_mask: expected a bool mask, got torch.uint8"),
        (RATIO, MASK[0], MASK, ValueError, r"tail_mask: expected \[1, 1, H, W\] like ratio, got shape \[1, 4, 4\]"),
        (RATIO, MASK.expand(2, 1, 4, 4), MASK, ValueError, r"got shape \[2, 1, 4, 4\]"),
        (RATIO, MASK, MASK[..., :2], ValueError, r"head_mask: expected shape \[1, 1, 4, 4\], got \[1, 1, 4, 2\]"),
        (RATIO, MASK[..., :3], MASK[..., :3], ValueError, "ratio: expected a grid that divides 4x3, got 2x2"),
        (RATIO, MASK[..., :0], MASK, ValueError, "tail_mask: expected at least one pixel"),
        (RATIO, [1], MASK, TypeError, "tail_mask: expected a torch.Tensor, got list"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(ratio, tail, head, error, message):
    with pytest.raises(error, match=message):
        mix_fidelity(ratio, tail, head)
