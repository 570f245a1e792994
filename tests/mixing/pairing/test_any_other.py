"""The pairings of classic mixup."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from longtail_mix import RandomPairing, ShiftedPairing
from longtail_mix.functional import random_partners, shifted_partners


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=50)
@given(number=st.integers(0, 40), seed=st.integers(0, 2**31))
def test_each_is_partner_once_and_never_its_own(number, seed):
    labels = torch.zeros(number, dtype=torch.int32)
    for partner, mixed in (random_partners(labels, seeded(seed)), shifted_partners(labels)):
        assert partner.dtype == torch.int64
        assert partner.sort().values.tolist() == list(range(number))
        assert mixed.dtype == torch.bool
        assert mixed.tolist() == [number > 1] * number
        if number > 1:
            assert (partner != torch.arange(number)).all()


def test_every_other_image_is_equally_likely():
    labels, generator = torch.zeros(5, dtype=torch.long), seeded(0)
    drawn = [Counter() for _ in labels]
    for _ in range(4000):
        for i, p in enumerate(random_partners(labels, generator)[0].tolist()):
            drawn[i][p] += 1
    for i, counts in enumerate(drawn):
        assert set(counts) == set(range(5)) - {i}
        assert all(abs(count - 1000) < 4 * 750**0.5 for count in counts.values())


def test_shifted_is_the_one_before():
    assert shifted_partners(torch.tensor([7, 8, 9]))[0].tolist() == [2, 0, 1]


@pytest.mark.parametrize("pairing", [RandomPairing(), ShiftedPairing()])
def test_modules(pairing, device):
    labels = torch.tensor([0, 1, 1, 0], device=device)
    index, partner = pairing(labels, torch.Generator(device).manual_seed(1))
    assert index.tolist() == [0, 1, 2, 3]
    assert torch.equal(partner, pairing.partners(labels, torch.Generator(device).manual_seed(1))[0])
    assert [t.shape for t in pairing(labels[:1])] == [(0,), (0,)]
    compiled = torch.compile(pairing.partners, fullgraph=True, backend="eager")
    for number in (4, 3):
        torch.manual_seed(0)
        got = compiled(labels[:number])
        torch.manual_seed(0)
        for a, b in zip(got, pairing.partners(labels[:number]), strict=True):
            assert torch.equal(a, b)
    with pytest.raises(TypeError, match="generator: expected a torch.Generator or None, got int"):
        pairing.partners(labels, 1)
    with pytest.raises(TypeError, match="labels: expected integer labels"):
        pairing.partners(labels.float())
