"""CMO: CutMix of rare foregrounds, and the pairing that draws them."""

from collections import Counter

import pytest
import torch

from longtail_mix import CMO, CutMix, InBatch, InverseFrequencyPairing
from longtail_mix.functional import weighted_partners


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def within_three_sigma(count: int, draws: int, probability: float) -> bool:
    return abs(count - draws * probability) < 3 * (draws * probability * (1 - probability)) ** 0.5


def test_two_streams_are_cutmix_for_every_other_pair():
    background, foreground = torch.rand(2, 400, 3, 6, 6)
    labels = torch.zeros(400, dtype=torch.long)
    images, target = CMO()(background, labels, foreground, labels + 1, generator=seeded(0))
    expected, cut = CutMix()(background, labels, foreground, labels + 1, generator=seeded(0))
    mixed = target.other == 1
    assert within_three_sigma(int(mixed.sum()), 400, 0.5)
    assert torch.equal(images[mixed], expected[mixed])
    assert torch.equal(target.lam[mixed], cut.lam[mixed])
    assert torch.equal(images[~mixed], background[~mixed])
    assert (target.lam[~mixed] == 1).all()


def test_in_one_batch_the_foregrounds_are_rare():
    labels = torch.tensor([0] * 900 + [1] * 90 + [2] * 9)
    images = labels.view(-1, 1, 1, 1).expand(-1, 3, 4, 4).float()
    cmo = CMO.in_batch([900, 90, 9], alpha=0.5, probability=1.0)
    assert isinstance(cmo, InBatch)
    assert repr(cmo.mix.mix) == "CutMix(alpha=0.5)"
    _, target = cmo(images, labels, generator=seeded(0))
    assert torch.equal(target.labels, labels)
    drawn = Counter(target.other.tolist())
    assert all(within_three_sigma(drawn[k], 999, 1 / 3) for k in range(3))


def test_a_high_power_always_takes_the_rarest():
    pairing = InverseFrequencyPairing([6705, 115, 5, 0], 9)
    assert pairing.partners(torch.tensor([0, 0, 1, 2, 0]), seeded(0))[0][[0, 1, 2, 4]].tolist() == [3] * 4
    partner, mixed = pairing.partners(torch.zeros(3, dtype=torch.long), seeded(0))
    assert mixed.all()
    assert (partner != torch.arange(3)).all()
    with pytest.raises(
        ValueError, match="power: expected weights of at most 1e.30 times .*, got 400 for counts from 5 to 6705"
    ):
        InverseFrequencyPairing([6705, 115, 5, 0], 400)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_partners_follow_the_inverse_frequency(power):
    counts = [400, 40, 4]
    labels = torch.tensor([0] * 400 + [1] * 40 + [2] * 4)
    pairing = InverseFrequencyPairing(counts, power)
    drawn, draws = Counter(), 0
    for seed in range(5):
        partner, mixed = pairing.partners(labels, seeded(seed))
        assert mixed.all()
        assert (partner != torch.arange(444)).all()
        drawn.update(labels[partner].tolist())
        draws += 444
    shares = [n ** (1 - power) for n in counts]
    for k, share in enumerate(shares):
        probability = share / sum(shares)
        # An image never gets itself, which shifts a probability by less than one image in its class.
        assert abs(drawn[k] - draws * probability) < 4 * (draws * probability * (1 - probability)) ** 0.5 + 10


@pytest.mark.parametrize("weights", [[1.0, 3.0, 0.0], [0.0, 1.0, 0.2], [1.0, 1.0, 1.0]])
def test_each_pair_is_drawn_as_often_as_its_weight_says(weights):
    """Chi squared of every row of the table of pairs, at a level that one of 10,000 right pairings fails."""
    labels, draws, generator = torch.tensor([0, 2, 1, 1, 2, 0, 2]), 4000, seeded(0)
    partners = [weighted_partners(labels, torch.tensor(weights), generator)[0] for _ in range(draws)]
    drawn = torch.zeros(len(labels), len(labels), dtype=torch.float64)
    for partner in partners:
        drawn[torch.arange(len(labels)), partner] += 1
    for i in range(len(labels)):
        chances = torch.tensor([weights[k] for k in labels.tolist()], dtype=torch.float64)
        chances[i] = 0
        expected = draws * chances / chances.sum()
        possible = expected > 0
        assert drawn[i][~possible].sum() == 0
        squared = ((drawn[i] - expected)[possible] ** 2 / expected[possible]).sum()
        freedom = possible.sum().double() - 1
        assert torch.special.gammaincc(freedom / 2, squared / 2) > 1e-4 / len(labels)


def test_a_weight_far_above_the_others_leaves_them_their_chances():
    labels, weights = torch.tensor([1, 0, 2, 2, 0, 0]), torch.tensor([1e-30, 1.0, 3e-30], dtype=torch.float64)
    generator, drawn = seeded(1), Counter()
    for _ in range(3000):
        partner, mixed = weighted_partners(labels, weights, generator)
        assert mixed.all()
        assert partner[1:].tolist() == [0] * 5
        drawn[int(partner[0])] += 1
    for i, share in ((1, 1), (2, 3), (3, 3), (4, 1), (5, 1)):
        assert within_three_sigma(drawn[i], 3000, share / 9)


def test_a_large_batch_makes_no_table_of_pairs():
    labels = torch.arange(200_000) % 3  # a table would have 160 GB
    partner, mixed = InverseFrequencyPairing([5, 3, 1]).partners(labels, seeded(0))
    assert mixed.all()
    assert (partner != torch.arange(200_000)).all()


def test_a_image_without_a_partner_is_left_alone():
    partner, mixed = weighted_partners(torch.tensor([0, 0, 1]), torch.tensor([0.0, 1.0]))
    assert partner.tolist() == [2, 2, 2]
    assert mixed.tolist() == [True, True, False]
    for labels in ([], [1]):
        assert not InverseFrequencyPairing([4, 2]).partners(torch.tensor(labels, dtype=torch.long))[1].any()
    index, partner = InverseFrequencyPairing([4, 2])(torch.tensor([1]))
    assert index.shape == partner.shape == (0,)


def test_labels_may_be_elsewhere_than_the_module():
    partner, mixed = InverseFrequencyPairing([3, 1]).partners(torch.tensor([0, 1], device="meta"))
    assert partner.device.type == mixed.device.type == "meta"


def test_pairs_are_the_partners():
    pairing, labels = InverseFrequencyPairing(torch.tensor([4, 2, 0])), torch.tensor([0, 1, 0, 1])
    index, partner = pairing(labels, seeded(3))
    assert torch.equal(index, torch.arange(4))
    assert torch.equal(partner, pairing.partners(labels, seeded(3))[0])
    assert repr(pairing) == "InverseFrequencyPairing(class_counts=[4, 2, 0], power=1.0)"
    assert not pairing.state_dict()


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1.0], TypeError, "class_weights: expected a torch.Tensor, got list"),
        (torch.tensor([1, 2]), TypeError, "class_weights: expected a floating-point tensor"),
        (torch.ones(1, 2), ValueError, r"class_weights: expected one for each class, got shape \[1, 2\]"),
        (torch.ones(0), ValueError, r"class_weights: expected one for each class, got shape \[0\]"),
        (torch.tensor([1.0, -1.0]), ValueError, r"class_weights: expected finite numbers of at least 0, got \[1.0, -1"),
        (torch.tensor([1.0, torch.nan]), ValueError, "class_weights: expected finite numbers of at least 0"),
        (torch.ones(1), ValueError, r"labels: expected labels from 0 to 0, got \[1\]"),
        (torch.ones(2, device="meta"), ValueError, "labels: expected device meta like class_weights, got cpu"),
    ],
)
def test_bad_weights(weights, error, message):
    with pytest.raises(error, match=message):
        weighted_partners(torch.tensor([0, 1]), weights)


def test_bad_options():
    with pytest.raises(ValueError, match="power: expected a finite number of at least 0, got -1"):
        InverseFrequencyPairing([1, 2], -1)
    with pytest.raises(ValueError, match="class_counts: expected at least one image"):
        CMO.in_batch([0, 0])
    with pytest.raises(TypeError, match="generator: expected a torch.Generator or None, got int"):
        InverseFrequencyPairing([1, 2])(torch.tensor([0, 1]), 3)
    with pytest.raises(ValueError, match="probability: expected a number from 0 to 1, got 1.5"):
        CMO(probability=1.5)
