"""Clocks, quartiles and turns, on clocks that tick as they are told."""

import itertools

import pytest
import torch

from benchmarks.speed import timing
from benchmarks.speed.timing import DeviceClock, HostClock, Plan, Timing, clock_of, take_turns


def test_the_host_clock_times_each_call_and_nothing_between():
    ticks = iter([0.0, 1.0, 10.0, 12.0, 100.0, 103.0])
    called = []
    assert HostClock(lambda: next(ticks)).time([lambda: called.append(1)] * 3) == [1.0, 2.0, 3.0]
    assert called == [1, 1, 1]


class FakeCuda:
    """A device on which sleeping takes a second and every call another."""

    def __init__(self):
        self.done, self.log = 0.0, []

    def event(self, enable_timing):
        assert enable_timing
        return FakeEvent(self)

    def install(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "Event", self.event)
        monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: self.log.append("synchronize"))
        monkeypatch.setattr(torch.cuda, "_sleep", lambda cycles: self.log.append(f"sleep {cycles}"))

        class Device:
            def __init__(self, device): ...
            def __enter__(self): ...
            def __exit__(self, *_): ...

        monkeypatch.setattr(torch.cuda, "device", Device)

    def work(self):
        self.log.append("call")
        self.done += 1.0


class FakeEvent:
    def __init__(self, cuda):
        self.cuda = cuda

    def record(self):
        self.at = self.cuda.done

    def elapsed_time(self, end):
        return 1e3 * (end.at - self.at)  # milliseconds, as PyTorch's


def test_the_device_clock_reads_events_and_waits_only_around_all_calls(monkeypatch):
    cuda = FakeCuda()
    cuda.install(monkeypatch)
    clock = DeviceClock(torch.device("cuda"), head_start=0.5)
    assert clock.time([cuda.work, cuda.work]) == [1.0, 1.0]
    assert cuda.log == ["synchronize", "sleep 1000000000", "call", "call", "synchronize"]


def test_a_device_gets_a_head_start_for_the_launches_of_a_turn():
    clock = clock_of(torch.device("cuda"), launch_seconds=1e-4)
    assert clock.head_start == pytest.approx(1.5 * 1e-4 * Plan.together + 1e-4)
    assert isinstance(clock_of(torch.device("cpu")), HostClock)


def test_quartiles():
    assert Timing.of([5.0, 1.0, 3.0, 2.0, 4.0]) == Timing(3.0, 2.0, 4.0, 5)
    assert Timing.of([1.0, 2.0]).as_dict() == {
        "median": 1.5,
        "first_quartile": 1.25,
        "third_quartile": 1.75,
        "repeats": 2,
    }
    with pytest.raises(ValueError, match="seconds: expected at least two times, got 1"):
        Timing.of([1.0])


@pytest.mark.parametrize(
    ("seconds_each", "repeats"), [(0.0, 100), (1e-9, 100), (0.05, 20), (0.5, 5), (100.0, 5)], ids=str
)
def test_as_often_as_fits_but_never_too_rarely(seconds_each, repeats):
    assert Plan(seconds=1.0, fewest=5, most=100).repeats(seconds_each) == repeats


def test_contenders_take_turns_all_the_way():
    order = []

    def turn(contender, times):
        order.append((contender, times))
        return [float(contender)] * times

    seconds = take_turns([6, 2, 0], turn, together=2)
    assert seconds == [[0.0] * 6, [1.0] * 2, []]
    assert order == [(0, 2), (0, 2), (1, 1), (0, 2), (1, 1)]
    assert take_turns([], turn, together=2) == []


def test_a_slow_spell_hits_all_contenders_alike():
    clock = itertools.count()
    slow = dict.fromkeys(range(10, 20), 10.0)
    seconds = take_turns([20, 20], lambda _, times: [slow.get(next(clock), 1.0) for _ in range(times)], together=5)
    assert sum(seconds[0]) == sum(seconds[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_device_clock_sees_work_and_not_its_launch():
    device = torch.device("cuda")
    clock = DeviceClock(device, head_start=0.01)
    short, long = (torch.zeros(n, device=device) for n in (1024, 2**28))
    assert min(clock.time([lambda: long.add_(1)] * 5)) > 10 * min(clock.time([lambda: short.add_(1)] * 5))
    assert min(timing.LaunchClock(device).time([lambda: long.add_(1)] * 5)) < min(
        clock.time([lambda: long.add_(1)] * 5)
    )
