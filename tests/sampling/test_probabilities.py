import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longtail_mix.sampling import (
    ProgressiveProbabilities,
    balanced_probabilities,
    class_probabilities,
    progressive_probabilities,
    reversed_probabilities,
    square_root_probabilities,
)

COUNTS = [6705, 1113, 0, 115]


@pytest.mark.parametrize("power", [1, 0.5, 0, -1, -2.5, 3])
def test_equals_the_equation_by_hand(power):
    total = sum(n**power for n in COUNTS if n)
    expected = [n**power / total if n else 0.0 for n in COUNTS]
    got = class_probabilities(COUNTS, power)
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)


def test_the_named_ones_are_what_the_papers_print():
    assert balanced_probabilities(COUNTS).tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])
    roots = [math.sqrt(n) for n in COUNTS]
    assert square_root_probabilities(COUNTS).tolist() == pytest.approx([r / sum(roots) for r in roots])
    # BBN: w_c = N_max / N_c, P_c = w_c / sum(w)
    weights = [6705 / n if n else 0.0 for n in COUNTS]
    assert reversed_probabilities(COUNTS).tolist() == pytest.approx([w / sum(weights) for w in weights])
    by_hand = [0.25 * n / sum(COUNTS) + 0.75 * (n > 0) / 3 for n in COUNTS]
    assert progressive_probabilities(COUNTS, 0.75).tolist() == pytest.approx(by_hand)


@given(counts=st.lists(st.integers(0, 10**7), min_size=1, max_size=20).filter(any), power=st.floats(-300, 300))
def test_any_power_gives_probabilities(counts, power):
    probabilities = class_probabilities(counts, power)
    assert (probabilities >= 0).all()
    assert probabilities.sum().item() == pytest.approx(1)
    assert all(p == 0 for p, n in zip(probabilities.tolist(), counts, strict=True) if n == 0)


def test_progress_goes_from_as_they_come_to_balanced_and_stays():
    probabilities = ProgressiveProbabilities(torch.tensor(COUNTS), epochs=10)
    assert torch.equal(probabilities(0), class_probabilities(COUNTS, 1))
    assert torch.equal(probabilities(4), progressive_probabilities(COUNTS, 0.4))
    for epoch in (10, 500):
        torch.testing.assert_close(probabilities(epoch), balanced_probabilities(COUNTS))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: class_probabilities([], 1), "class_counts: expected at least one class, got none"),
        (lambda: class_probabilities([3, -1], 1), "class_counts: expected no negative count"),
        (lambda: class_probabilities([0, 0], 0), "class_counts: expected at least one image"),
        (lambda: class_probabilities([1, 2], "half"), "power: expected a number, got 'half'"),
        (lambda: class_probabilities([1, 2], math.nan), "power: expected a finite number, got nan"),
        (lambda: progressive_probabilities([1, 2], 1.1), "progress: expected a number from 0 to 1, got 1.1"),
        (lambda: ProgressiveProbabilities([1, 2], 0), "epochs: expected at least 1, got 0"),
        (lambda: ProgressiveProbabilities([1, 2], 5)(-1), "epoch: expected at least 0, got -1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((TypeError, ValueError), match=message.replace("'", ".")):
        call()
