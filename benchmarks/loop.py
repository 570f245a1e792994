"""Images per second of the SPMix framework's loop: its data path, its views mixed, its whole training steps.

Random uint8 frames with uint8 maps, on the device or in the host's memory; the framework's own batches, methods and
optimiser. An image counts once, as one with a label that is kept, however many views and partners it takes. Parts take
turns; each turn is timed from an idle device to an idle device. Writes loop.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from framework_batch import Batch
from framework_config import PAPER, Config
from framework_contrastive import MomentumContrast
from framework_data import Batches, Frames
from framework_methods import Method
from framework_recipes import build_method, build_optimizer
from torch import Tensor
from views import ViewSettings

from benchmarks.metadata import describe_run
from longtail_mix.functional import patch_mixup

SUMMARY = "images per second of the framework's data path and training steps, with and without SPMix"
CLASS_COUNTS = (6705, 1113, 1099, 514, 327, 142, 115)  # ISIC 2018

Part = Callable[[int], object]  # does its work for the batch of a step


class Loop:
    """One method of the framework on its own batches."""

    def __init__(self, config: Config, frames: Frames, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self.method: Method = build_method(config, CLASS_COUNTS).to(device).train()
        self.optimizer = build_optimizer(config, self.method)
        self.autocast = torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16")
        views = ViewSettings(config.size, config.crop_scale, operations=config.operations, magnitude=config.magnitude)
        self.batches = Batches(frames, len(CLASS_COUNTS), views, config.batch_size, config.seed, device)
        self.batches.set_epoch(self.method.needs, 0)
        self.at_hand = self.batches.draw(0)

    def draw(self, step: int) -> Batch:
        """The data path alone."""
        return self.batches.draw(step % self.batches.steps_per_epoch)

    def draw_and_mix(self, step: int) -> list[Tensor]:
        """The data path and its views mixed as images, each by its own ratio."""
        batch, method = self.draw(step), self.method
        assert isinstance(method, MomentumContrast)
        assert method.ratio is not None
        assert batch.partners is not None
        views = zip(batch.labelled.views, batch.partners.views, strict=True)
        return [patch_mixup(own, other, method.ratio(batch, view)) for view, (own, other) in enumerate(views)]

    def train(self, step: int) -> None:
        """A whole step: data, forward, backward, optimiser, what follows it."""
        self._train(self.draw(step))

    def train_at_hand(self, step: int) -> None:  # noqa: ARG002  a part's form
        """The same on a batch that is there already."""
        self._train(self.at_hand)

    def _train(self, batch: Batch) -> None:
        with self.autocast:
            loss = self.method(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.method.after_step()


def parts_of(config: Config, frames: Frames, device: torch.device) -> dict[str, Part]:
    """What is measured, by name; each method has its own network."""
    cross_entropy, paco, spmix = (
        Loop(replace(config, method=method), frames, device) for method in ("ce", "paco", "spmix")
    )
    return {
        "views, one": cross_entropy.draw,
        "views, two": paco.draw,
        "views, two of two streams, with maps": spmix.draw,
        "the same, mixed": spmix.draw_and_mix,
        "step, cross entropy": cross_entropy.train,
        "step, PaCo": paco.train,
        "step, SPMix": spmix.train,
        "step, cross entropy, batch at hand": cross_entropy.train_at_hand,
        "step, PaCo, batch at hand": paco.train_at_hand,
        "step, SPMix, batch at hand": spmix.train_at_hand,
    }


def seconds_of(parts: dict[str, Part], repeats: int, together: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds a step of each part, `repeats` turns of `together` steps, after one turn to warm up."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for turn in range(repeats + 1):
        for name, part in parts.items():
            wait()
            start = time.perf_counter()
            for step in range(together):
                part(turn * together + step)
            wait()
            seconds[name].append((time.perf_counter() - start) / together)
    return {name: of_part[1:] for name, of_part in seconds.items()}


def random_frames(count: int, size: int, where: torch.device, seed: int) -> Frames:
    """Labels in the proportions of ISIC 2018, at least two images of each class."""
    generator = torch.Generator().manual_seed(seed)
    whole = partial(torch.randint, 0, 256, dtype=torch.uint8, generator=generator)
    shares = torch.tensor(CLASS_COUNTS).cumsum(0) / sum(CLASS_COUNTS)
    labels = torch.bucketize((torch.arange(count) + 0.5) / count, shares)
    labels[: 2 * len(CLASS_COUNTS)] = torch.arange(len(CLASS_COUNTS)).repeat(2)
    return Frames(whole((count, 3, size, size)), labels, whole((count, 1, size, size))).to(where)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backbone", default=PAPER.backbone, help="tiny_hybrid, or a timm model (%(default)s)")
    parser.add_argument("--size", type=int, default=PAPER.size, help="pixels of a view (%(default)s)")
    parser.add_argument("--frame-size", type=int, default=256, help="pixels of a stored image (%(default)s)")
    parser.add_argument("--frames", type=int, default=1024, help="how many of them (%(default)s)")
    parser.add_argument("--frames-on", choices=("device", "host"), default="device", help="(%(default)s)")
    parser.add_argument("--batch", type=int, default=PAPER.batch_size, help="(%(default)s)")
    parser.add_argument("--patch-size", type=int, default=PAPER.patch_size, help="(%(default)s)")
    parser.add_argument("--precision", choices=("no", "bf16"), default="bf16", help="autocast or not (%(default)s)")
    parser.add_argument("--repeats", type=int, default=10, help="turns of each part (%(default)s)")
    parser.add_argument("--together", type=int, default=5, help="steps in a turn (%(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="(%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/loop.json"), help="(%(default)s)")


def run(options: argparse.Namespace) -> None:
    """Measure, print, write."""
    device = torch.device(options.device)
    torch.backends.cudnn.benchmark = True
    config = replace(
        PAPER,
        backbone=options.backbone,
        size=options.size,
        batch_size=options.batch,
        patch_size=options.patch_size,
        precision=options.precision,
    )
    config.check()
    where = device if options.frames_on == "device" else torch.device("cpu")
    frames = random_frames(options.frames, options.frame_size, where, config.seed)
    parts = parts_of(config, frames, device)
    seconds = seconds_of(parts, options.repeats, options.together, device)
    print("| part | ms a step | quartiles | images/s |\n|---|---|---|---|")
    records = {}
    for name, of_part in seconds.items():
        median = statistics.median(of_part)
        low, high = torch.tensor(of_part).quantile(torch.tensor([0.25, 0.75])).tolist()
        print(f"| {name} | {1e3 * median:.1f} | {1e3 * low:.1f}-{1e3 * high:.1f} | {options.batch / median:.0f} |")
        records[name] = {"seconds": of_part, "images_per_second": options.batch / median}
    measured = {key: value for key, value in vars(options).items() if key not in ("run", "out")}
    report = {**describe_run(device), "options": measured, "parts": records}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
