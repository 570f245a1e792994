"""One problem from its check to its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.speed.case import Problem
from benchmarks.speed.contenders import Contender, line_up
from benchmarks.speed.timing import Clock, HostClock, LaunchClock, Plan, Timing, clock_of, take_turns
from benchmarks.speed.variants import Variant

__all__ = ["measure"]

ROOF = "copy"
Record = dict[str, Any]


def measure(problem: Problem, variants: Sequence[Variant], device: torch.device, plan: Plan) -> Record:
    """Check a problem and time everybody on it, in turn.

    Returns:
        What identifies the problem, the floor in bytes, and for each contender its timing with the rates and ratios
        that follow from it. Those that are not installed are under ``missing``, those that broke under ``failed``.

    Raises:
        ImportError: the operator needs a package that is not installed.
        DisagreementError: a check failed; there is nothing to report.
    """
    lined_up = line_up(problem, variants, device)
    timed = [(contender, *warmed_up(contender, device, plan)) for contender in lined_up.contenders]

    def turn(at: int, times: int) -> list[float]:
        contender, clock, _, _ = timed[at]
        return clock.time(contender.take(times))

    seconds = take_turns([repeats for _, _, repeats, _ in timed], turn, plan.together)
    rows = []
    for (contender, _, _, launch), times in zip(timed, seconds, strict=True):
        row: Record = {"name": contender.name, "role": contender.role, "seconds": Timing.of(times).as_dict()}
        if device.type == "cuda" and not contender.on_host:
            row |= {
                "launch_seconds": launch,
                "peak_bytes": peak_bytes(contender, device),
                "waits": waits_for_the_device(contender),
            }
        rows.append(row)
    return {
        "case": problem.case.name,
        "size": problem.size,
        "dtype": problem.dtype_name,
        "direction": problem.direction,
        "images": problem.shape[0],
        "floor_bytes": lined_up.floor_bytes,
        "checks": lined_up.checks,
        "contenders": with_ratios(rows, lined_up.floor_bytes, problem.shape[0]),
        "missing": lined_up.missing,
        "failed": lined_up.failed,
    }


def warmed_up(contender: Contender, device: torch.device, plan: Plan) -> tuple[Clock, int, float]:
    """Its clock, how often it will be timed, and the seconds it takes to issue a call."""
    on_host = contender.on_host or device.type != "cuda"
    clock: Clock = HostClock() if on_host else LaunchClock(device)
    clock.time(contender.take(1))  # compiles, allocates
    launch = clock.time(contender.take(1))[0]
    if launch * plan.warm_up < plan.seconds:
        launch = min(launch, *clock.time(contender.take(plan.warm_up)))
    if on_host:
        return clock, plan.repeats(launch), launch
    clock = clock_of(device, launch)
    return clock, plan.repeats(min(clock.time(contender.take(plan.warm_up)))), launch


def peak_bytes(contender: Contender, device: torch.device) -> int:
    """The most memory a call has on the device at once, beyond its inputs."""
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    contender.take(1)[0]()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def waits_for_the_device(contender: Contender) -> bool:
    """Whether the host stands still in a call until the device has caught up."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        contender.take(1)[0]()
    except RuntimeError as error:
        if "synchroniz" not in str(error):
            raise
        return True
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return False


def with_ratios(rows: list[Record], floor_bytes: int, images: int) -> list[Record]:
    """Rates, and the time of the roof, of our plain PyTorch and of the fastest peer as multiples of each time.

    A ratio above 1 means faster than what it is a ratio to, below 1 slower.
    """
    median = {row["name"]: row["seconds"]["median"] for row in rows}
    peers = [row["seconds"]["median"] for row in rows if row["role"] == "peer"]
    for row in rows:
        own = median[row["name"]]
        row["gb_per_s"] = floor_bytes / own / 1e9
        row["images_per_s"] = images / own
        row["of_roof"] = median[ROOF] / own
        row["over_eager"] = median["eager"] / own if "eager" in median else None
        row["over_best_peer"] = min(peers) / own if peers and row["role"] == "ours" else None
    return rows
