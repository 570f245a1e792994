"""Seconds per training step of a timm model without any mix, with peers' and with ours: what it costs in the end.

Forward, loss, backward and SGD under autocast to bfloat16, channels_last; the methods take turns. The hybrid ViT is
timm's vit_base_r50_s16_224: a ResNet-50 stem to 14 x 14, then ViT-B blocks, 768 wide; timm has no R50 + ViT-S.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.metadata import describe_run
from benchmarks.speed.inputs import batch_with_maps
from benchmarks.speed.results import Results
from benchmarks.speed.table import of_steps
from benchmarks.speed.timing import Call, Timing, clock_of, take_turns
from benchmarks.speed.training import Training, methods

SUMMARY = "seconds per training step, with each mix and without"
MODELS = ("resnet50", "vit_base_r50_s16_224")
SETS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", nargs="+", default=MODELS, help="timm's names (%(default)s)")
    parser.add_argument("--batch", nargs="+", type=int, default=[64, 256], help="(%(default)s)")
    parser.add_argument("--pixels", type=int, default=224, help="a side, a multiple of 16 (%(default)s)")
    parser.add_argument("--repeats", type=int, default=20, help="steps that are timed with each method (%(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="(%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/steps.json"), help="(%(default)s)")


def run(options: argparse.Namespace) -> None:
    """Measure, print as it comes, write after every model and batch."""
    device = torch.device(options.device)
    torch.backends.cudnn.benchmark = True
    results = Results(options.out, describe_run(device))
    for name in options.model:
        for size in options.batch:
            record = measure(name, size, options.pixels, options.repeats, device)
            results.records.append(record)
            print(of_steps(record), "\n", flush=True)
            results.flush()
    results.finished = True
    results.flush()


def measure(name: str, size: int, pixels: int, repeats: int, device: torch.device) -> dict[str, Any]:
    """Seconds of a step with each method, and what it adds to a step without any."""
    training = Training(name, pixels, device)
    generator = torch.Generator(device).manual_seed(0)
    sets = []
    for _ in range(SETS):
        images, labels, maps = batch_with_maps((size, 3, pixels, pixels), torch.float32, generator)
        normalised = (images - 0.5) / 0.5
        sets.append((normalised.contiguous(memory_format=torch.channels_last), labels, maps))
    # Each has images of its own, because some mix in place.
    calls: dict[str, list[Call]] = {
        method: [partial(training.step, loss, s[0].clone(), *s[1:]) for s in sets]
        for method, loss in methods(device).items()
    }
    clock = clock_of(device)
    failed: dict[str, str] = {}
    for method, steps in calls.items():
        try:
            clock.time(steps)  # warms up
        except torch.OutOfMemoryError as error:
            failed[method] = str(error).splitlines()[0]
    names = [method for method in calls if method not in failed]

    def turn(at: int, times: int) -> list[float]:
        return clock.time([calls[names[at]][i % SETS] for i in range(times)])

    seconds = take_turns([repeats] * len(names), turn, together=SETS)
    timings = {method: Timing.of(times) for method, times in zip(names, seconds, strict=True)}
    bare = timings["nothing"].median
    return {
        "model": name,
        "batch": size,
        "pixels": pixels,
        "methods": {
            method: {"seconds": timing.as_dict(), "added": timing.median / bare - 1}
            for method, timing in timings.items()
        },
        "failed": failed,
    }
