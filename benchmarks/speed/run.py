"""Time the operators beside their peers and beside a copy of as many bytes, each after a check that it is right.

Writes its file after every problem, and an image of it at the end. A problem whose check fails gets no numbers; the
command then ends with 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.metadata import describe_run
from benchmarks.speed.case import Problem
from benchmarks.speed.check import DisagreementError
from benchmarks.speed.measure import measure
from benchmarks.speed.plot import draw
from benchmarks.speed.results import Results
from benchmarks.speed.selection import add_selection, selected, selected_variants
from benchmarks.speed.table import of_record
from benchmarks.speed.timing import Plan
from benchmarks.speed.variants import Variant

SUMMARY = "time the operators beside their peers and a copy"
QUICK = Plan(seconds=0.05, fewest=3, most=10, warm_up=1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_selection(parser)
    add_timing(parser)
    parser.add_argument("--stop-after", type=float, metavar="SECONDS", help="begin no problem later than this")
    parser.add_argument("--out", type=Path, default=Path("runs/performance.json"), help="(%(default)s)")


def add_timing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=1.0, help="that each call is timed for, about (%(default)s)")


def plan_of(options: argparse.Namespace) -> Plan:
    return QUICK if options.quick else Plan(seconds=options.seconds)


def run(options: argparse.Namespace) -> None:
    """Measure, print as it comes, write."""
    device = torch.device(options.device)
    results = Results(options.out, describe_run(device))
    problems = selected(options)
    if not problems:
        sys.exit("nothing to measure: no problem of the table fits these options (see: python -m benchmarks list)")
    measure_all(problems, selected_variants(options), device, plan_of(options), results, options.stop_after)
    draw(results, options.out.with_suffix(".png"))
    if results.refused:
        sys.exit(f"{len(results.refused)} of {len(problems)} problems failed their check and have no numbers")


def measure_all(
    problems: Sequence[Problem],
    variants: Sequence[Variant],
    device: torch.device,
    plan: Plan,
    results: Results,
    stop_after: float | None,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """One record a problem, written as it comes."""
    start = now()
    for problem in problems:
        if stop_after is not None and now() - start > stop_after:
            results.skipped[problem.title] = f"{stop_after:g} s were over"
            continue
        try:
            record = measure(problem, variants, device, plan)
        except DisagreementError as error:
            results.refused[problem.title] = str(error)
            print(f"REFUSED: {problem.title}: {error}\n", flush=True)
        except (ImportError, torch.OutOfMemoryError) as error:
            results.skipped[problem.title] = f"{type(error).__name__}: {error}"
            print(f"SKIPPED: {problem.title}: {error}\n", flush=True)
        else:
            results.records.append(record)
            print(of_record(record), "\n", flush=True)
        results.flush()
    results.finished = True
    results.flush()
