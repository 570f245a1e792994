import json

import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, TensorDataset

from longtail_mix.sampling import ClassSampler, ShuffledSampler, TwoStreamLoader, balanced_probabilities

COUNTS = torch.tensor([80, 15, 5])
LABELS = torch.arange(3).repeat_interleave(COUNTS)
TRAIN = TensorDataset(torch.arange(100), LABELS)


def make(workers=0, drop_last=True, second_samples=None, batch_size=8, seed=1):
    balanced = ClassSampler(LABELS, balanced_probabilities(COUNTS), second_samples, seed=seed)
    shuffled = ShuffledSampler(100, seed=seed)
    return TwoStreamLoader(
        *(
            DataLoader(TRAIN, batch_size, sampler=s, drop_last=drop_last, num_workers=workers)
            for s in (shuffled, balanced)
        )
    )


def rows(pairs):
    return [(first[0].tolist(), second[0].tolist()) for first, second in pairs]


def test_an_epoch_has_each_image_once_beside_balanced_classes():
    loader = make(drop_last=False, second_samples=200)
    assert len(loader) == 13
    pairs = list(loader)
    assert sorted(torch.cat([first[0] for first, _ in pairs]).tolist()) == list(range(100))
    balanced = torch.cat([second[1] for _, second in pairs])
    assert (balanced.bincount() > 20).all()  # 104 draws, a third each; as they come the last would have 5


def test_each_epoch_is_another_and_a_repeated_one_the_same():
    loader = make()
    epochs = []
    for epoch in (0, 1, 0):
        loader.set_epoch(epoch)
        epochs.append(rows(loader))
    assert epochs[0] == epochs[2]
    assert all(a != b for streams in zip(epochs[0], epochs[1], strict=True) for a, b in zip(*streams, strict=True))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("drop_last", [True, False])
def test_resumes_in_the_middle_of_an_epoch(workers, drop_last):
    loader = make(workers, drop_last)
    loader.set_epoch(4)
    pairs = iter(loader)
    for _ in range(5):
        next(pairs)
    state = json.loads(json.dumps(loader.state_dict()))
    rest = rows(pairs)
    resumed = make(workers, drop_last)
    resumed.load_state_dict(state)
    resumed.set_epoch(4)
    assert resumed.state_dict() == state
    assert rows(resumed) == rest
    resumed.set_epoch(5)
    loader.set_epoch(5)
    assert rows(resumed) == rows(loader)


@pytest.mark.parametrize("drop_last", [True, False])
def test_a_finished_epoch_stays_finished(drop_last):
    loader = make(drop_last=drop_last)
    list(loader)
    resumed = make(drop_last=drop_last)
    resumed.load_state_dict(loader.state_dict())
    resumed.set_epoch(0)
    assert list(resumed) == []
    resumed.set_epoch(1)
    assert len(list(resumed)) == len(loader)


def test_a_pass_given_up_begins_anew():
    loader = make()
    for _ in loader:
        break
    assert loader.state_dict()["batches"] == 1
    assert len(list(loader)) == len(loader) == 12
    loader.set_epoch(1)
    assert loader.state_dict()["batches"] == loader.state_dict()["first"]["position"] == 0


def test_a_stream_that_runs_dry_says_so():
    loader = make()
    loader.second.sampler.seek(0, 50)  # behind the loader's back
    with pytest.raises(RuntimeError, match="a stream ran dry after 6 of 12 batches"):
        list(loader)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make(second_samples=90), "second: expected at least as many batches as first, 12, got 11"),
        (lambda: make(batch_size=101), "first: expected one batch or more, got a sampler with less than a batch"),
        (lambda: TwoStreamLoader(*[make().first] * 2), "second: expected a sampler of its own, got that of first"),
        (lambda: TwoStreamLoader([1], [2]), "first: expected a DataLoader, got list"),
        (
            lambda: TwoStreamLoader(make().first, DataLoader(TRAIN, 8, shuffle=True)),
            "second: expected a DataLoader with a batch_size over a sampler .* got batch_size 8 over RandomSampler",
        ),
        (
            lambda: TwoStreamLoader(
                DataLoader(TRAIN, batch_sampler=BatchSampler(ShuffledSampler(100), 8, True)), make().second
            ),
            "got batch_size None over SequentialSampler",
        ),
        (lambda: make().load_state_dict(make(seed=2).state_dict()), "state: expected seed 1 like this sampler, got 2"),
        (lambda: make().set_epoch(0.5), "epoch: expected a whole number, got 0.5"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_a_state_of_other_batch_sizes_is_refused():
    loader = make()
    next(iter(loader))
    with pytest.raises(
        ValueError, match=r"state: expected positions \(9, 9\) after 1 batches of this size, got \(8, 8\)"
    ):
        make(batch_size=9).load_state_dict(loader.state_dict())
