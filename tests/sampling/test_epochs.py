import itertools

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from longtail_mix.sampling import EpochSampler, ShuffledSampler


@pytest.mark.parametrize(("size", "ranks"), [(12, 4), (13, 4), (15, 4), (4, 4), (7, 1)])
def test_ranks_share_an_epoch_without_overlap_and_with_one_length(size, ranks):
    parts = [list(ShuffledSampler(size, rank=rank, num_replicas=ranks)) for rank in range(ranks)]
    assert [len(part) for part in parts] == [size // ranks] * ranks
    seen = list(itertools.chain(*parts))
    assert len(set(seen)) == len(seen) == size // ranks * ranks
    assert set(seen) <= set(range(size))


def test_what_one_epoch_leaves_out_another_has():
    seen = set()
    for epoch in range(10):
        for rank in range(4):
            sampler = ShuffledSampler(7, rank=rank, num_replicas=4)
            sampler.set_epoch(epoch)
            seen |= set(sampler)
    assert seen == set(range(7))


def test_the_order_follows_from_seed_and_epoch_alone():
    def order(seed, epoch):
        sampler = ShuffledSampler(50, seed)
        sampler.set_epoch(epoch)
        torch.rand(3)  # the default generator has no say
        return list(sampler)

    orders = {(seed, epoch): order(seed, epoch) for seed in range(3) for epoch in range(3)}
    assert len(set(map(tuple, orders.values()))) == 9  # nor is epoch 1 of seed 0 the epoch 0 of seed 1
    assert all(order(*key) == rows for key, rows in orders.items())


def test_every_permutation_is_equally_likely():
    orders = torch.zeros(24)
    every = list(itertools.permutations(range(4)))
    sampler = ShuffledSampler(4)
    for epoch in range(2400):
        sampler.set_epoch(epoch)
        orders[every.index(tuple(sampler))] += 1
    chi_squared = ((orders - 100) ** 2 / 100).sum()
    assert chi_squared < 49.7  # 23 degrees of freedom, p = 0.001


@pytest.mark.parametrize("handed_out", [0, 1, 7, 24, 25])
def test_resumes_where_it_was_left(handed_out):
    sampler = ShuffledSampler(100, seed=5, rank=1, num_replicas=4)
    sampler.set_epoch(3)
    rows = iter(sampler)
    for _ in range(handed_out):
        next(rows)
    state = sampler.state_dict()
    assert state == {"seed": 5, "num_samples": 100, "num_replicas": 4, "epoch": 3, "position": handed_out}
    for rank in range(4):  # one checkpoint serves all ranks
        resumed = ShuffledSampler(100, seed=5, rank=rank, num_replicas=4)
        resumed.load_state_dict(state)
        resumed.set_epoch(3)  # a loop says so again, and nothing is lost
        whole = ShuffledSampler(100, seed=5, rank=rank, num_replicas=4)
        whole.set_epoch(3)
        assert list(resumed) == list(whole)[handed_out:]
        assert list(resumed) == list(whole)  # the next pass is whole
        assert len(resumed) == 25
    assert state == sampler.state_dict()


def test_another_epoch_forgets_the_position():
    sampler = ShuffledSampler(10)
    sampler.seek(2, 4)
    assert len(list(sampler)) == 6
    sampler.seek(2, 4)
    sampler.set_epoch(3)
    assert sampler.state_dict()["position"] == 0
    assert len(list(sampler)) == 10


def test_resumes_exactly_behind_workers_given_the_position():
    sampler = ShuffledSampler(40)
    loader = DataLoader(TensorDataset(torch.arange(40)), 5, sampler=sampler, num_workers=1)
    batches = iter(loader)
    seen = [next(batches)[0] for _ in range(2)]
    assert sampler.state_dict()["position"] > 10  # the worker was told more than we saw
    state = sampler.state_dict(position=2 * 5)
    rest = [batch for (batch,) in batches]
    resumed = ShuffledSampler(40)
    resumed.load_state_dict(state)
    assert list(resumed) == torch.cat(rest).tolist()
    assert sorted(torch.cat(seen + rest).tolist()) == list(range(40))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ShuffledSampler(0), "size: expected at least 1, got 0"),
        (lambda: ShuffledSampler(3, rank=0, num_replicas=4), "num_samples: expected one or more for each of 4 ranks"),
        (lambda: ShuffledSampler(3, rank=0), "rank, num_replicas: expected both or neither, got 0 and None"),
        (lambda: ShuffledSampler(3, rank=2, num_replicas=2), "rank: expected less than num_replicas = 2, got 2"),
        (lambda: ShuffledSampler(3, seed=0.5), "seed: expected a whole number, got 0.5"),
        (lambda: ShuffledSampler(3).set_epoch(-1), "epoch: expected at least 0, got -1"),
        (lambda: ShuffledSampler(3).seek(0, 4), "position: expected at most 3, the draws of a rank, got 4"),
        (
            lambda: ShuffledSampler(3).load_state_dict(ShuffledSampler(3, seed=1).state_dict()),
            "state: expected seed 0 like this sampler, got 1",
        ),
        (
            lambda: ShuffledSampler(4).load_state_dict(ShuffledSampler(4, 0, 0, 2).state_dict()),
            "state: expected num_replicas 1 like this sampler, got 2",
        ),
        (lambda: EpochSampler(3), "abstract"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_ranks_are_those_of_torch_distributed(monkeypatch):
    """With real processes in test_ranks.py."""
    for name, value in (("is_initialized", True), ("get_rank", 2), ("get_world_size", 3)):
        monkeypatch.setattr(torch.distributed, name, lambda value=value: value)
    sampler = ShuffledSampler(9)
    assert (sampler.rank, sampler.num_replicas, len(sampler)) == (2, 3, 3)
    assert ShuffledSampler(9, rank=0, num_replicas=1).num_replicas == 1
