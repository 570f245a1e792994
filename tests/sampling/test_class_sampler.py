import pytest
import torch

from longtail_mix.sampling import (
    ClassSampler,
    ProgressiveProbabilities,
    balanced_probabilities,
    class_probabilities,
    progressive_probabilities,
    reversed_probabilities,
    square_root_probabilities,
)

COUNTS = torch.tensor([500, 120, 60, 7])
LABELS = torch.arange(4).repeat_interleave(COUNTS)[torch.randperm(687, generator=torch.Generator().manual_seed(0))]
DRAWS = 100_000


@pytest.mark.parametrize(
    "probabilities",
    [
        class_probabilities(COUNTS, 1),
        balanced_probabilities(COUNTS),
        square_root_probabilities(COUNTS),
        reversed_probabilities(COUNTS),
        progressive_probabilities(COUNTS, 0.3),
        torch.tensor([0.5, 0.0, 0.25, 0.25]),
    ],
    ids=["as they come", "balanced", "square root", "reversed", "progressive", "by hand"],
)
@pytest.mark.parametrize("ranks", [1, 4])
def test_classes_come_as_often_as_promised(probabilities, ranks):
    samplers = [ClassSampler(LABELS, probabilities, DRAWS * ranks, rank=r, num_replicas=ranks) for r in range(ranks)]
    for sampler in samplers:
        shares = LABELS[sampler.rows()].bincount(minlength=4) / DRAWS
        sigma = (probabilities * (1 - probabilities) / DRAWS).sqrt()
        assert ((shares - probabilities).abs() <= 3 * sigma).all(), (shares, probabilities)


def test_classes_of_neighbouring_draws_are_independent():
    drawn = LABELS[ClassSampler(LABELS, balanced_probabilities(COUNTS), DRAWS).rows()]
    pairs = (drawn[:-1] * 4 + drawn[1:]).bincount(minlength=16)
    expected = (DRAWS - 1) / 16
    assert ((pairs - expected) ** 2 / expected).sum() < 37.7  # 15 degrees of freedom, p = 0.001


def test_within_a_class_every_image_comes_equally_often_over_all_ranks():
    ranks = [ClassSampler(LABELS, balanced_probabilities(COUNTS), 2000, rank=r, num_replicas=4) for r in range(4)]
    rows = [sampler.rows() for sampler in ranks]
    times = torch.cat(rows).bincount(minlength=len(LABELS))
    for label in range(4):
        own = times[label == LABELS]
        assert own.max() - own.min() <= 1
    # About 500 draws of the class with 500 images and of that with 120: the first hardly repeats, the second does.
    assert times[LABELS == 3].min() > 40


def test_a_class_drawn_less_often_than_it_has_images_has_none_on_two_ranks():
    ranks = [ClassSampler(LABELS, balanced_probabilities(COUNTS), 400, rank=r, num_replicas=4) for r in range(4)]
    rows = torch.cat([sampler.rows() for sampler in ranks])
    own = rows[LABELS[rows] == 0]
    assert 50 < len(own) == len(own.unique())


def test_the_images_of_a_class_are_dealt_in_any_order():
    labels = torch.zeros(3, dtype=torch.int64)
    sampler = ClassSampler(labels, [1.0])
    seen = set()
    for epoch in range(100):
        sampler.set_epoch(epoch)
        seen.add(tuple(sampler))
    assert len(seen) == 6


def test_each_deck_of_a_class_is_shuffled_anew():
    sampler = ClassSampler(torch.zeros(3, dtype=torch.int64), [1.0], num_samples=300)
    decks = sampler.rows().view(100, 3)
    assert torch.equal(decks.sort(1).values, torch.arange(3).expand(100, 3))
    assert len(decks.unique(dim=0)) == 6


def test_progressive_follows_the_epoch_and_resumes():
    probabilities = ProgressiveProbabilities(COUNTS, epochs=4)
    sampler = ClassSampler(LABELS, probabilities, DRAWS, seed=1)
    for epoch in (0, 2, 4):
        sampler.set_epoch(epoch)
        promised = probabilities(epoch)
        shares = LABELS[sampler.rows()].bincount(minlength=4) / DRAWS
        assert ((shares - promised).abs() <= 3 * (promised * (1 - promised) / DRAWS).sqrt()).all()
    sampler.set_epoch(2)
    rows = iter(sampler)
    for _ in range(1000):
        next(rows)
    resumed = ClassSampler(LABELS, probabilities, DRAWS, seed=1)
    resumed.load_state_dict(sampler.state_dict())
    assert list(resumed) == list(rows)


@pytest.mark.parametrize("kind", [torch.Tensor.tolist, torch.Tensor.numpy, lambda labels: tuple(labels)])
def test_labels_of_any_kind_and_the_short_form(kind):
    expected = list(ClassSampler(LABELS, balanced_probabilities(COUNTS), 900, seed=3))
    assert list(ClassSampler(kind(LABELS), balanced_probabilities(COUNTS), 900, seed=3)) == expected
    assert list(ClassSampler.balanced(kind(LABELS), 900, seed=3)) == expected
    assert ClassSampler.balanced(LABELS, 900, 0, 1, 3)._ranks == (1, 3)


def test_a_state_from_the_end_of_an_epoch_goes_on_with_the_next():
    sampler = ClassSampler.balanced(LABELS, 7)
    assert len(list(sampler)) == 7
    resumed = ClassSampler.balanced(LABELS, 7)
    resumed.load_state_dict(sampler.state_dict())
    assert resumed.state_dict() == sampler.state_dict()
    sampler.set_epoch(1)
    assert list(resumed) == list(sampler)
    assert resumed.epoch == 1
    resumed.load_state_dict(sampler.state_dict())
    resumed.set_epoch(2)
    assert (len(list(resumed)), resumed.epoch) == (7, 2)


def test_default_length_and_spare_classes():
    # Counts may name classes beyond the labels as long as they are never drawn.
    sampler = ClassSampler(LABELS.to(torch.int32), balanced_probabilities([*COUNTS.tolist(), 0, 0]))
    assert len(list(sampler)) == len(LABELS)


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        (LABELS, [0.5, 0.5], "probabilities: expected one for each of 4 classes of the labels, got shape .2."),
        (LABELS, [0.5, 0.5, 0.5, -0.5], "expected at least 0 each and a sum of 1, got -0.5 and 1"),
        (LABELS, [0.5, 0.5, 0.5, 0.5], "expected at least 0 each and a sum of 1, got 0.5 and 2"),
        (LABELS, [0.5, 0.5, float("nan"), 0], "expected at least 0 each and a sum of 1, got nan and nan"),
        (LABELS, balanced_probabilities([9, 9, 9, 9, 9]), r"labels: expected images of every class .* none of \[4\]"),
        (
            LABELS[LABELS != 1],
            [0.25] * 4,
            r"labels: expected images of every class with a probability, got none of \[1\]",
        ),
        (LABELS, ProgressiveProbabilities([1, 2, 3], 5), "probabilities: expected one for each of 4 classes"),
        (LABELS.float(), [0.25] * 4, "labels: expected integer labels"),
        (LABELS[:0], [0.25] * 4, "num_samples: expected at least 1, got 0"),
        (["a", "b"], [0.5, 0.5], "labels: expected whole numbers, got 'a'"),
        ({0: 1}, [1.0], "labels: expected whole numbers, got dict"),
    ],
)
def test_bad_input(labels, probabilities, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ClassSampler(labels, probabilities)
