"""Times of single calls, contenders in turn: medians and quartiles of what a training loop would wait for."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import torch

__all__ = ["Clock", "DeviceClock", "HostClock", "Plan", "Timing", "clock_of", "take_turns"]

Call = Callable[[], object]


class Clock(Protocol):
    def time(self, calls: Sequence[Call]) -> list[float]:
        """Seconds that each call took."""
        ...


@dataclass(frozen=True)
class HostClock:
    """For calls that are over when they return."""

    now: Callable[[], float] = time.perf_counter

    def time(self, calls: Sequence[Call]) -> list[float]:
        seconds = []
        for call in calls:
            start = self.now()
            call()
            seconds.append(self.now() - start)
        return seconds


@dataclass(frozen=True)
class DeviceClock:
    """For calls that only queue work on a CUDA device: an event before and an event after each, read at the end.

    The device is kept busy while the calls are issued, so that it finds them waiting: what is measured is its own work
    and not the time Python takes to launch it, which :class:`LaunchClock` measures. A call that waits for the device
    gives that lead away and pays for its launches, here as in a training loop.
    """

    device: torch.device
    head_start: float  # seconds that the device is kept busy

    def time(self, calls: Sequence[Call]) -> list[float]:
        marks = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in calls]
        with torch.cuda.device(self.device):
            torch.cuda.synchronize()
            torch.cuda._sleep(int(self.head_start * 2e9))  # cycles, at about 2 GHz
            for (start, end), call in zip(marks, calls, strict=True):
                start.record()
                call()
                end.record()
            torch.cuda.synchronize()
        return [start.elapsed_time(end) / 1e3 for start, end in marks]


@dataclass(frozen=True)
class LaunchClock:
    """The host's time to issue calls to a CUDA device, nothing else in its queue."""

    device: torch.device

    def time(self, calls: Sequence[Call]) -> list[float]:
        torch.cuda.synchronize(self.device)
        seconds = HostClock().time(calls)
        torch.cuda.synchronize(self.device)
        return seconds


def clock_of(device: torch.device, launch_seconds: float = 0.0) -> Clock:
    """The clock for calls on a device that take `launch_seconds` each to issue."""
    if device.type == "cuda":
        return DeviceClock(device, head_start=min(1.5 * launch_seconds * Plan.together + 1e-4, 0.05))
    return HostClock()


@dataclass(frozen=True)
class Plan:
    """How often a call is timed: as often as fits into `seconds`, but never less than `fewest` times."""

    seconds: float = 1.0
    fewest: int = 7
    most: int = 100
    warm_up: int = 3
    together = 10  # calls in one turn, at most

    def repeats(self, seconds_each: float) -> int:
        fitting = self.most if seconds_each <= 0 else int(self.seconds / seconds_each)
        return min(max(fitting, self.fewest), self.most)


@dataclass(frozen=True)
class Timing:
    """The middle of the times of a call, in seconds."""

    median: float
    first_quartile: float
    third_quartile: float
    repeats: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        if len(seconds) < 2:
            raise ValueError(f"seconds: expected at least two times, got {len(seconds)}")
        low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
        return cls(middle, low, high, len(seconds))

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def take_turns(repeats: Sequence[int], turn: Callable[[int, int], list[float]], together: int) -> list[list[float]]:
    """Let contenders be timed in turn, so that what disturbs the machine disturbs all of them.

    Args:
        repeats: how often each contender is timed.
        turn: ``turn(contender, times)`` times it so often and returns the seconds of each.
        together: most calls in one turn.

    Returns:
        The seconds of each contender, as many as `repeats` asks for.
    """
    rounds = math.ceil(max(repeats, default=0) / together)
    seconds: list[list[float]] = [[] for _ in repeats]
    for i in range(rounds):
        for contender, number in enumerate(repeats):
            # Those that are timed less often are spread over all rounds.
            times = number * (i + 1) // rounds - number * i // rounds
            if times:
                seconds[contender] += turn(contender, times)
    return seconds
