"""Seconds per training step of a timm model without any mix, with peers' and with ours: what it costs in the end.

Forward, loss, backward and SGD under autocast to bfloat16, channels_last; the methods take turns. The hybrid ViT is
timm's vit_base_r50_s16_224: a ResNet-50 stem to 14 x 14, then ViT-B blocks, 768 wide; timm has no R50 + ViT-S.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.metadata import describe_run
from benchmarks.speed.inputs import CLASS_COUNTS, batch_with_maps
from benchmarks.speed.peers import timm_cutmix, timm_mixup
from benchmarks.speed.results import Results
from benchmarks.speed.timing import Timing, clock_of, take_turns
from longtail_mix import SPMix

SUMMARY = "seconds per training step, with each mix and without"
MODELS = ("resnet50", "vit_base_r50_s16_224")
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
SETS = 3

# Pictures, labels and the pictures' maps -> pictures and labels, whole ones or shares of the classes.
Method = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def methods(device: torch.device) -> dict[str, Method]:
    """What is compared: add a method here."""
    mixup, cutmix = timm_mixup(), timm_cutmix()
    spmix = SPMix(CLASS_COUNTS, mean=MEAN, std=STD).to(device)
    return {
        "nothing": lambda images, labels, _: (images, labels),
        "timm mixup": lambda images, labels, _: mixup(images, labels),  # in place
        "timm CutMix": lambda images, labels, _: cutmix(images, labels),
        "SPMix, online": lambda images, labels, _: spmix(images, labels),
        "SPMix, cached maps": lambda images, labels, maps: spmix(images, labels, maps),
    }


class Training:
    """A model and its optimiser, one step at a time."""

    def __init__(self, name: str, pixels: int, device: torch.device) -> None:
        torch.manual_seed(0)
        sized: dict[str, Any] = {"img_size": pixels} if "vit" in name else {}
        model: nn.Module = timm.create_model(name, num_classes=len(CLASS_COUNTS), **sized)
        self.model = model.to(device).to(memory_format=torch.channels_last).train()
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9)
        self.device = device

    def step(self, method: Method, images: Tensor, labels: Tensor, maps: Tensor) -> None:
        mixed, targets = method(images, labels, maps)
        with torch.autocast(self.device.type, torch.bfloat16):
            loss = F.cross_entropy(self.model(mixed), targets)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()


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
            title = f"{name}, batch {size}, {options.pixels} pixels"
            try:
                record = measure(name, size, options.pixels, options.repeats, device)
            except torch.OutOfMemoryError as error:
                results.skipped[title] = str(error)
                print(f"SKIPPED: {title}: {error}", flush=True)
            else:
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
    of = methods(device)
    # Each has pictures of its own, because some mix in place.
    steps = [[partial(training.step, m, s[0].clone(), *s[1:]) for s in sets] for m in of.values()]
    clock = clock_of(device)
    for calls in steps:
        clock.time(calls)

    def turn(at: int, times: int) -> list[float]:
        return clock.time([steps[at][i % SETS] for i in range(times)])

    seconds = take_turns([repeats] * len(steps), turn, together=SETS)
    timings = {method: Timing.of(times) for method, times in zip(of, seconds, strict=True)}
    bare = timings["nothing"].median
    return {
        "model": name,
        "batch": size,
        "pixels": pixels,
        "methods": {
            method: {"seconds": timing.as_dict(), "added": timing.median / bare - 1}
            for method, timing in timings.items()
        },
    }


def of_steps(record: dict[str, Any]) -> str:
    """A heading and a line for each method."""
    lines = [f"{record['model']}  batch {record['batch']}  {record['pixels']} pixels"]
    for method, row in record["methods"].items():
        t = {name: 1e3 * row["seconds"][name] for name in ("median", "first_quartile", "third_quartile")}
        middle = f"{t['median']:9.1f} ms  ({t['first_quartile']:.1f}-{t['third_quartile']:.1f})"
        lines.append(f"  {method:20}{middle}  {100 * row['added']:+.1f} %")
    return "\n".join(lines)
