"""Both pairings: tail with head, and class-balanced."""

from collections import Counter, OrderedDict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longtail_mix import BalancedPairing, HeadTailPairing
from longtail_mix.functional import balanced_pairing, balanced_partners, head_tail_pairing, head_tail_partners

ISIC2018_COUNTS = (1113, 6705, 514, 327, 1099, 115, 142)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_default_is_the_papers_few_against_the_rest():
    pairing = HeadTailPairing(ISIC2018_COUNTS)
    assert pairing.tail_classes == (3, 5, 6)
    assert pairing.head_classes == (0, 1, 2, 4)
    assert not pairing.state_dict()


def test_a_choice_of_ones_own():
    pairing = HeadTailPairing(torch.tensor(ISIC2018_COUNTS), tail_classes=[5, 5], head_classes={1})
    assert repr(pairing) == "HeadTailPairing(tail_classes=(5,), head_classes=(1,), probability=1.0)"
    tail, head = pairing(torch.tensor([0, 5, 1, 3, 5]))
    assert tail.tolist() == [1, 4]
    assert head.tolist() == [2, 2]


@given(
    labels=st.lists(st.integers(0, 4), max_size=24),
    tail=st.lists(st.booleans(), min_size=5, max_size=5),
    head=st.lists(st.booleans(), min_size=5, max_size=5),
    dtype=st.sampled_from([torch.int64, torch.int32, torch.uint8]),
    seed=st.integers(0, 2**31),
)
def test_invariants(labels, tail, head, dtype, seed):
    labels = torch.tensor(labels, dtype=dtype)
    is_tail, is_head = torch.tensor(tail), torch.tensor(head)
    before = labels.clone()
    tail_index, head_index = head_tail_pairing(labels, is_tail, is_head, seeded(seed))
    assert tail_index.dtype == head_index.dtype == torch.int64
    assert len(tail_index) == len(head_index)
    for t, h in zip(tail_index.tolist(), head_index.tolist(), strict=True):
        assert is_tail[labels[t].long()]
        assert is_head[labels[h].long()]
        assert labels[t] != labels[h]
    # Every image of a tail class that has a candidate is in exactly one pair, in order.
    expected = [
        i for i, a in enumerate(labels.tolist()) if is_tail[a] and any(is_head[b] and a != b for b in labels.tolist())
    ]
    assert tail_index.tolist() == expected
    again = head_tail_pairing(labels, is_tail, is_head, seeded(seed))
    assert torch.equal(again[1], head_index)
    partner, mixed = head_tail_partners(labels, is_tail, is_head, seeded(seed))
    assert torch.equal(mixed.nonzero().squeeze(1), tail_index)
    assert torch.equal(partner[mixed], head_index)
    assert torch.equal(partner[~mixed], torch.arange(len(labels))[~mixed])
    assert torch.equal(labels, before)


@pytest.mark.parametrize("labels", [[], [0], [2], [0, 0, 0], [2, 2]], ids=str)
def test_batches_without_tail_or_head_give_nothing(labels, device):
    pairing = HeadTailPairing([10, 5, 1], tail_classes=[2], head_classes=[0]).to(device)
    tail, head = pairing(torch.tensor(labels, dtype=torch.int64, device=device))
    assert tail.shape == head.shape == (0,)
    assert tail.dtype == head.dtype == torch.int64
    assert tail.device.type == device.type


def within_three_sigma(count: int, draws: int, probability: float) -> bool:
    return abs(count - draws * probability) < 3 * (draws * probability * (1 - probability)) ** 0.5


def test_heads_are_drawn_evenly():
    labels = torch.tensor([2] * 2000 + [0, 0, 0, 1])
    _, head = HeadTailPairing([10, 5, 1])(labels, seeded(0))
    drawn = Counter(head.tolist())
    assert set(drawn) == {2000, 2001, 2002, 2003}
    assert all(within_three_sigma(count, 2000, 1 / 4) for count in drawn.values())


def test_tail_images_are_mixed_with_the_given_probability():
    labels = torch.tensor([0] + [2] * 4000)
    mixed = {p: HeadTailPairing([10, 5, 1], probability=p)(labels, seeded(0))[0] for p in (0.0, 0.3, 1.0)}
    assert len(mixed[0.0]) == 0
    assert within_three_sigma(len(mixed[0.3]), 4000, 0.3)
    assert len(mixed[1.0]) == 4000
    for probability, indices in mixed.items():
        partners = HeadTailPairing([10, 5, 1], probability=probability).partners(labels, seeded(0))[1]
        assert torch.equal(partners.nonzero().squeeze(1), indices)


def test_balanced_partners_draw_each_class_evenly_and_then_each_of_its_images():
    labels = torch.tensor([0] * 6 + [1] * 3 + [2])
    draws = 3000
    drawn = [Counter() for _ in labels]
    generator = seeded(0)
    for _ in range(draws):
        partner, mixed = balanced_partners(labels, generator)
        assert mixed.all()
        for i, p in enumerate(partner.tolist()):
            drawn[i][p] += 1
    assert all(i not in counts for i, counts in enumerate(drawn))
    # The first image of class 0: its five siblings share 1/3, class 1 shares 1/3, the image of class 2 has 1/3.
    expected = {**dict.fromkeys(range(1, 6), 1 / 15), **dict.fromkeys(range(6, 9), 1 / 9), 9: 1 / 3}
    assert all(within_three_sigma(drawn[0][j], draws, p) for j, p in expected.items())
    # The only image of class 2 has two classes to draw from.
    assert all(within_three_sigma(drawn[9][j], draws, 1 / 12 if j < 6 else 1 / 6) for j in range(9))


def test_balanced_pairing_of_few_images():
    pairing = BalancedPairing()
    assert [i.tolist() for i in pairing(torch.tensor([4, 4]))] == [[0, 1], [1, 0]]
    labels = torch.tensor([0, 1, 1, 2, 0])
    index, partner = balanced_pairing(labels, seeded(1))
    assert torch.equal(index, torch.arange(5))
    assert torch.equal(partner, balanced_partners(labels, seeded(1))[0])
    assert torch.equal(pairing(labels, seeded(1))[1], partner)
    for labels in (torch.zeros(0, dtype=torch.int64), torch.tensor([3])):
        index, partner = pairing(labels)
        assert index.shape == partner.shape == (0,)
        assert not pairing.partners(labels)[1].any()


@pytest.mark.parametrize("pairing", [HeadTailPairing([3, 1], tail_classes=[1]), BalancedPairing()])
def test_partners_compile_as_one_graph(pairing, device):
    labels = torch.tensor([0, 1, 1, 0], device=device)
    compiled = torch.compile(pairing.to(device).partners, fullgraph=True, backend="aot_eager")
    torch.manual_seed(0)
    got = compiled(labels)
    torch.manual_seed(0)
    for a, b in zip(got, pairing.partners(labels), strict=True):
        assert torch.equal(a, b)


MASK = torch.tensor([True, False])
LABELS = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("labels", "is_tail", "is_head", "error", "message"),
    [
        ([0, 1], MASK, ~MASK, TypeError, "labels: expected a torch.Tensor, got list"),
        (LABELS.float(), MASK, ~MASK, TypeError, "labels: expected integer labels, got torch.float32"),
        (LABELS.bool(), MASK, ~MASK, TypeError, "labels: expected integer labels, got torch.bool"),
        (LABELS[None], MASK, ~MASK, ValueError, r"labels: expected labels \[B\], got shape \[1, 2\]"),
        (LABELS + 1, MASK, ~MASK, ValueError, r"labels: expected labels from 0 to 1, got \[2\]"),
        (LABELS - 3, MASK, ~MASK, ValueError, r"labels: expected labels from 0 to 1, got \[-3, -2\]"),
        (LABELS.to("meta"), MASK, ~MASK, ValueError, "labels: expected device cpu like is_tail, got meta"),
        (LABELS, MASK.int(), ~MASK, TypeError, "is_tail: expected a bool tensor, got torch.int32"),
        (LABELS, MASK, "head", TypeError, "is_head: expected a torch.Tensor, got str"),
        (LABELS, MASK, MASK[:1], ValueError, r"is_head: expected one entry a class, got shape \[1\]"),
        (LABELS, MASK[None], MASK, ValueError, r"is_tail: expected one entry a class, got shape \[1, 2\]"),
    ],
)
def test_bad_labels_and_masks(labels, is_tail, is_head, error, message):
    with pytest.raises(error, match=message):
        head_tail_pairing(labels, is_tail, is_head)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([],), ValueError, "class_counts: expected at least one class, got none"),
        (([3, -1],), ValueError, r"class_counts: expected no negative count, got \[3, -1\]"),
        (([0, 0],), ValueError, r"class_counts: expected at least one image, got \[0, 0\]"),
        (([3.5, 1],), TypeError, "class_counts: expected whole numbers, got 3.5"),
        ((7,), TypeError, "class_counts: expected whole numbers, got 7"),
        (("71",), TypeError, "class_counts: expected whole numbers, got '71'"),
        ((Counter({0: 6705, 1: 115}),), TypeError, "expected a sequence, one count a label, got Counter"),
        ((OrderedDict({0: 6705, 1: 115}),), TypeError, "one count a label, got OrderedDict"),
        (({6705, 115},), TypeError, "expected a sequence, one count a label, got set"),
        (([3, 1], [1.5]), TypeError, "tail_classes: expected whole numbers, got 1.5"),
        (([3, 1], "1"), TypeError, "tail_classes: expected whole numbers, got '1'"),
        (([3, 1], 1), TypeError, "tail_classes: expected whole numbers, got 1"),
        (([3, True],), TypeError, "class_counts: expected whole numbers, got True"),
        (([3, 1], [2]), ValueError, r"tail_classes: expected classes from 0 to 1, got \(2,\)"),
        (([3, 1], []), ValueError, "tail_classes: expected at least one class, got none"),
        (([3, 1], [1], [-1]), ValueError, r"head_classes: expected classes from 0 to 1, got \(-1,\)"),
        (([3, 1], [0, 1]), ValueError, "head_classes: expected at least one class, got none"),
        (([3],), ValueError, "tail_classes: expected at least one class, got none"),
    ],
)
def test_bad_counts_and_choices(arguments, error, message):
    with pytest.raises(error, match=message):
        HeadTailPairing(*arguments)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_bad_probability(probability):
    with pytest.raises(ValueError, match="probability: expected a number from 0 to 1, got"):
        HeadTailPairing([3, 1], probability=probability)
    with pytest.raises(ValueError, match="probability: expected a number from 0 to 1, got"):
        head_tail_pairing(LABELS, MASK, ~MASK, probability=probability)


def test_classes_may_come_as_a_tensor():
    pairing = HeadTailPairing([5, 3, 1], tail_classes=torch.tensor([1, 1]))
    assert pairing.tail_classes == (1,)
    assert pairing.head_classes == (0, 2)


def test_labels_may_be_elsewhere_than_the_module():
    partner, mixed = HeadTailPairing([3, 1]).partners(LABELS.to("meta"))
    assert partner.device.type == mixed.device.type == "meta"


def test_bad_generators_and_labels():
    for pairing in (HeadTailPairing([3, 1]), BalancedPairing()):
        with pytest.raises(TypeError, match="generator: expected a torch.Generator or None, got str"):
            pairing(LABELS, "seed")
        with pytest.raises(TypeError, match="labels: expected integer labels"):
            pairing(LABELS.float())
    with pytest.raises(ValueError, match=r"labels: expected labels of at least 0, got \[-1\]"):
        balanced_partners(LABELS - 1)
    with pytest.raises(TypeError, match="probability: expected a number, got 'often'"):
        HeadTailPairing([3, 1], probability="often")
