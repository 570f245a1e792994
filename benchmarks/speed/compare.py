"""Time the library as it is here against another revision of it, in turn, on the same inputs.

The other revision is checked out into a git worktree; today's table of cases runs on both, each in a process of its
own, and the two take turns all the way, so that a busy machine is busy for both.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.metadata import describe_run
from benchmarks.speed.results import Results
from benchmarks.speed.revision import ROOT, Process, RefusalError, checkout, started
from benchmarks.speed.run import add_timing
from benchmarks.speed.selection import add_selection, selected
from benchmarks.speed.timing import Plan, Timing, take_turns

SUMMARY = "time the library against another revision of it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_selection(parser)
    add_timing(parser)
    parser.add_argument(
        "--against", required=True, metavar="REV", help="a revision that git knows: main, HEAD~3, a tag"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/compare.json"), help="(%(default)s)")


def run(options: argparse.Namespace) -> None:
    """Measure, print as it comes, write."""
    about = {**describe_run(torch.device(options.device)), "against": options.against}
    results = Results(options.out, about)
    words = worker_options(options)
    with checkout(options.against) as tree, started(ROOT, words) as here, started(tree, words) as there:
        for problem in selected(options):
            try:
                record = compare(problem.title, here, there)
            except RefusalError as error:
                results.refused[problem.title] = str(error)
                print(f"REFUSED: {problem.title}: {error}", flush=True)
            else:
                results.records.append(record)
                print("\n".join(lines(record, options.against)), flush=True)
            results.flush()
    results.finished = True
    results.flush()
    if results.refused:
        sys.exit(f"{len(results.refused)} problems have no numbers")


def worker_options(options: argparse.Namespace) -> list[str]:
    """The options of the selection, as the command line had them."""
    words = ["--device", options.device, "--seconds", str(options.seconds)]
    for name in ("case", "size", "dtype", "direction", "variant"):
        values = getattr(options, name)
        words += [f"--{name}", *values] if values else []
    return [*words, "--quick"] if options.quick else words


def compare(title: str, here: Process, there: Process) -> dict[str, Any]:
    """The times of each variant, here and there."""
    sides = {"here": here, "there": there}
    ready = {side: process.ask(line_up=title) for side, process in sides.items()}
    entries = [
        (side, variant) for variant in ready["here"]["repeats"] for side in sides if variant in ready[side]["repeats"]
    ]
    repeats = [ready[side]["repeats"][variant] for side, variant in entries]

    def turn(at: int, times: int) -> list[float]:
        side, variant = entries[at]
        seconds: list[float] = sides[side].ask(time=[variant, times])["seconds"]
        return seconds

    timed: dict[str, dict[str, Any]] = {}
    for (side, variant), seconds in zip(entries, take_turns(repeats, turn, Plan.together), strict=True):
        timed.setdefault(variant, {})[side] = Timing.of(seconds).as_dict()
    return {
        "problem": title,
        "same_bits": ready["here"]["fingerprint"] == ready["there"]["fingerprint"],
        "variants": timed,
        "failed": {side: ready[side]["failed"] for side in sides},
    }


def lines(record: dict[str, Any], against: str) -> list[str]:
    """A heading and a line for each variant; a ratio above 1 means that it is faster here."""
    same = "same bits" if record["same_bits"] else "OTHER RESULTS"
    text = [f"{record['problem']}  ({same})"]
    for variant, sides in record["variants"].items():
        shown = {
            side: f"{1e3 * t['median']:.3g} ms ({1e3 * t['first_quartile']:.3g}-{1e3 * t['third_quartile']:.3g})"
            for side, t in sides.items()
        }
        if len(sides) < 2:
            text.append(f"  {variant}: only here: {shown.get('here')}")
            continue
        ratio = sides["there"]["median"] / sides["here"]["median"]
        text.append(f"  {variant}: here {shown['here']}, {against} {shown['there']}: x {ratio:.2f}")
    text += [
        f"  {side}: {name} failed ({why})" for side, failed in record["failed"].items() for name, why in failed.items()
    ]
    return text
