"""What trainers do with the samplers of a loader, in one process; with two real ones in tests/examples/integrations."""

import pytest
import torch
from accelerate.data_loader import DataLoaderDispatcher, prepare_data_loader, skip_first_batches
from torch.utils.data import DataLoader, TensorDataset

from longtail_mix.sampling import ClassSampler, ResumableLoader, ShuffledSampler, TwoStreamLoader

TRAIN = TensorDataset(torch.arange(64))


def rank_of_two(monkeypatch, rank):
    for name, value in (("is_initialized", True), ("get_rank", rank), ("get_world_size", 2)):
        monkeypatch.setattr(torch.distributed, name, lambda value=value: value)


def rows(loader):
    return torch.cat([batch for (batch,) in loader]).tolist()


def test_a_sampler_made_before_the_processes_meet_shares_with_them(monkeypatch):
    sampler = ShuffledSampler(64)
    whole = list(sampler)
    rank_of_two(monkeypatch, 1)
    assert (sampler.rank, sampler.num_replicas, len(sampler)) == (1, 2, 32)
    assert list(sampler) == whole[1::2]


@pytest.mark.parametrize("split_batches", [False, True])
@pytest.mark.parametrize("kind", [ShuffledSampler, lambda size: ClassSampler([0, 1] * (size // 2), [0.5, 0.5])])
def test_accelerate_shares_out_a_whole_epoch(monkeypatch, kind, split_batches):
    whole = list(kind(64))
    seen = []
    for rank in range(2):
        rank_of_two(monkeypatch, rank)
        loader = DataLoader(TRAIN, 8, sampler=kind(64))
        prepared = prepare_data_loader(loader, num_processes=2, process_index=rank, split_batches=split_batches)
        assert len(prepared) == len(list(prepared)) == (8 if split_batches else 4)
        prepared.set_epoch(0)
        seen += rows(prepared)
        assert len(list(loader.sampler)) == 32  # alone, the sampler takes its share
    assert sorted(seen) == sorted(whole)


def test_accelerate_advances_the_epoch_and_skips_to_the_middle(monkeypatch):
    rank_of_two(monkeypatch, 1)

    def prepared():
        sampler = ShuffledSampler(64)
        return sampler, prepare_data_loader(DataLoader(TRAIN, 8, sampler=sampler), num_processes=2, process_index=1)

    _, loader = prepared()
    epochs = [rows(loader) for _ in range(3)]
    assert len(set(map(tuple, epochs))) == 3
    sampler, loader = prepared()
    loader.set_epoch(2)
    sampler.set_epoch(2)  # what skips does not pass the epoch on when processes share
    assert rows(skip_first_batches(loader, 1)) == epochs[2][8:]


def test_a_dispatcher_of_accelerate_gets_a_whole_epoch(monkeypatch):
    rank_of_two(monkeypatch, 0)
    loader = DataLoaderDispatcher(TRAIN, batch_sampler=torch.utils.data.BatchSampler(ShuffledSampler(64), 8, False))
    assert len(loader.base_dataloader) == 4
    loader.state.num_processes = 1
    assert len(loader) == 8


def test_ranks_given_by_hand_are_refused_where_accelerate_shares(monkeypatch):
    rank_of_two(monkeypatch, 1)
    loader = DataLoader(TRAIN, 8, sampler=ShuffledSampler(64, rank=1, num_replicas=2))
    prepared = prepare_data_loader(loader, num_processes=2, process_index=1)
    for ask in (len, list):
        with pytest.raises(RuntimeError, match=r"rank, num_replicas: expected neither .* got \(1, 2\): rows would be"):
            ask(prepared)
    whole = DataLoader(TRAIN, 8, sampler=ShuffledSampler(64, rank=0, num_replicas=1))
    assert len(rows(prepare_data_loader(whole, num_processes=2, process_index=1))) == 32


def test_the_state_of_a_pass_that_accelerate_shares_is_refused(monkeypatch):
    rank_of_two(monkeypatch, 1)
    loader = DataLoader(TRAIN, 8, sampler=ShuffledSampler(64))
    list(prepare_data_loader(loader, num_processes=2, process_index=1))
    with pytest.raises(RuntimeError, match="accelerate shares out the batches; set the epoch and use its skip_first"):
        loader.sampler.state_dict()
    list(loader)
    assert loader.sampler.state_dict()["position"] == 32


def test_lightning_leaves_the_samplers_alone_and_tells_them_the_epoch():
    data = pytest.importorskip("lightning.fabric.utilities.data")
    single = DataLoader(TRAIN, 8, sampler=ShuffledSampler(64))
    # The condition of both of its connectors.
    assert isinstance(single.sampler, torch.utils.data.DistributedSampler)
    two = TwoStreamLoader(single, DataLoader(TRAIN, 8, sampler=ClassSampler([0, 1] * 32, [0.5, 0.5])))
    for loader in (single, two):
        data._set_sampler_epoch(loader, 5)
        assert single.sampler.epoch == 5
        single.sampler.set_epoch(0)
    assert two.second.sampler.epoch == 5


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("batch_size", [8, 7])
def test_a_resumable_loader_goes_on_after_the_batches_you_got(workers, batch_size):
    def make():
        return ResumableLoader(TRAIN, batch_size, ShuffledSampler(64), num_workers=workers)

    loader = make()
    loader.sampler.set_epoch(3)
    batches = iter(loader)
    for _ in range(2):
        next(batches)
    state = loader.state_dict()
    assert (state["epoch"], state["position"]) == (3, 2 * batch_size)
    rest = rows(batches)
    resumed = make()
    resumed.load_state_dict(state)
    resumed.sampler.set_epoch(3)
    assert resumed.state_dict() == state
    again = iter(resumed)
    first = next(again)[0].tolist()
    assert resumed.state_dict()["position"] == 3 * batch_size  # counted from the beginning of the epoch
    assert first + rows(again) == rest
    ended = make()
    ended.load_state_dict(resumed.state_dict())
    loader.sampler.set_epoch(4)
    assert loader.state_dict()["position"] == 0
    assert rows(ended) == rows(loader)
    assert ended.state_dict() == loader.state_dict()


def test_a_two_stream_state_from_the_end_of_an_epoch_goes_on_with_the_next():
    def make():
        samplers = ShuffledSampler(64), ClassSampler([0, 1] * 32, [0.5, 0.5], 100)
        return TwoStreamLoader(*(DataLoader(TRAIN, 8, sampler=sampler) for sampler in samplers))

    def pairs(loader):
        return [(first[0].tolist(), second[0].tolist()) for first, second in loader]

    loader = make()
    list(loader)
    resumed = make()
    resumed.load_state_dict(loader.state_dict())
    loader.set_epoch(1)
    assert pairs(resumed) == pairs(loader)
    assert resumed.state_dict() == loader.state_dict()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ResumableLoader(TRAIN, 8, torch.utils.data.SequentialSampler(TRAIN)),
            "sampler: expected one of longtail_mix.sampling, got SequentialSampler",
        ),
        (lambda: ResumableLoader(TRAIN, 0, ShuffledSampler(64)), "batch_size: expected at least 1, got 0"),
        (
            lambda: ResumableLoader(TRAIN, 8, ShuffledSampler(64)).load_state_dict(
                {"seed": 0, "num_samples": 64, "num_replicas": 1, "epoch": 0, "position": 7}
            ),
            "state: expected a position after batches of 8, got 7",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
