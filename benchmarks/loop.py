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
from typing import Literal

import torch
from torch import Tensor

from benchmarks.metadata import describe_run
from longtail_mix.functional import patch_mixup
from reproduction.data.task import Images
from reproduction.methods.learner import Method, Setting
from reproduction.methods.momentum_contrast import MomentumContrastLearner
from reproduction.networks.network import PAPER_HYBRID, Backbone
from reproduction.training.batch import Batch
from reproduction.training.batches import Batches
from reproduction.training.recipe import Recipe
from spmix import PAPER, rows

SUMMARY = "images per second of the framework's data path and training steps, with and without SPMix"
CLASS_COUNTS = (6705, 1113, 1099, 514, 327, 142, 115)  # ISIC 2018

Part = Callable[[int], object]  # does its work for the batch of a step


class Loop:
    """One method of the framework on its own batches."""

    def __init__(self, method: Method, recipe: Recipe, frames: Images, device: torch.device) -> None:
        torch.manual_seed(0)
        setting = Setting(CLASS_COUNTS, recipe.backbone, recipe.views.size, 1, recipe.batch_size)
        self.learner = method.build(setting).to(device).train()
        self.optimizer = recipe.optimiser.build(self.learner)
        self.autocast = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16")
        self.batches = Batches(frames, len(CLASS_COUNTS), recipe.views, recipe.batch_size, 0, device)
        self.batches.set_epoch(self.learner.needs, 0)
        self.at_hand = self.batches.draw(0)

    def draw(self, step: int) -> Batch:
        """The data path alone."""
        return self.batches.draw(step % self.batches.steps_per_epoch)

    def draw_and_mix(self, step: int) -> list[Tensor]:
        """The data path and its views mixed as images, each by its own ratio."""
        batch, learner = self.draw(step), self.learner
        assert isinstance(learner, MomentumContrastLearner)
        mix = learner.method.mix
        assert mix is not None
        assert batch.partners is not None
        mixed = []
        for view, (own, other) in enumerate(zip(batch.labelled.views, batch.partners.views, strict=True)):
            draws = batch.draws[2 * view : 2 * view + 2]
            shares = mix.shares(batch.labelled, batch.partners, draws, CLASS_COUNTS, view)
            mixed.append(patch_mixup(own, other, shares))
        return mixed

    def train(self, step: int) -> None:
        """A whole step: data, forward, backward, optimiser, what follows it."""
        self._train(self.draw(step))

    def train_at_hand(self, step: int) -> None:  # noqa: ARG002  a part's form
        """The same on a batch that is there already."""
        self._train(self.at_hand)

    def _train(self, batch: Batch) -> None:
        with self.autocast:
            loss = self.learner(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.learner.after_step()


def parts_of(recipe: Recipe, patch_size: int, frames: Images, device: torch.device) -> dict[str, Part]:
    """What is measured, by name; each method has its own network."""
    methods = rows(recipe.views.size, patch_size, "patch_embed")
    cross_entropy, paco, spmix = (Loop(methods[name], recipe, frames, device) for name in ("ce", "paco", "spmix"))
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


def random_frames(count: int, size: int, where: torch.device, seed: int) -> Images:
    """Labels in the proportions of ISIC 2018, at least two images of each class."""
    generator = torch.Generator().manual_seed(seed)
    whole = partial(torch.randint, 0, 256, dtype=torch.uint8, generator=generator)
    shares = torch.tensor(CLASS_COUNTS).cumsum(0) / sum(CLASS_COUNTS)
    labels = torch.bucketize((torch.arange(count) + 0.5) / count, shares)
    labels[: 2 * len(CLASS_COUNTS)] = torch.arange(len(CLASS_COUNTS)).repeat(2)
    images, maps = whole((count, 3, size, size)), whole((count, 1, size, size))
    return Images(images, labels, tuple(map(str, range(count))), maps=maps).to(where)


def recipe_of(backbone: str, size: int, batch_size: int, precision: Literal["no", "bf16"]) -> Recipe:
    """The paper's recipe on a network without trained weights."""
    views = replace(PAPER.recipe.views, size=size)
    network = Backbone(backbone, "none")
    return replace(PAPER.recipe, backbone=network, views=views, batch_size=batch_size, precision=precision)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backbone", default=PAPER_HYBRID, help="tiny_hybrid, or a timm model (%(default)s)")
    parser.add_argument("--size", type=int, default=PAPER.recipe.views.size, help="pixels of a view (%(default)s)")
    parser.add_argument("--frame-size", type=int, default=256, help="pixels of a stored image (%(default)s)")
    parser.add_argument("--frames", type=int, default=1024, help="how many of them (%(default)s)")
    parser.add_argument("--frames-on", choices=("device", "host"), default="device", help="(%(default)s)")
    parser.add_argument("--batch", type=int, default=PAPER.recipe.batch_size, help="(%(default)s)")
    parser.add_argument("--patch-size", type=int, default=16, help="(%(default)s)")
    parser.add_argument("--precision", choices=("no", "bf16"), default="bf16", help="autocast or not (%(default)s)")
    parser.add_argument("--repeats", type=int, default=10, help="turns of each part (%(default)s)")
    parser.add_argument("--together", type=int, default=5, help="steps in a turn (%(default)s)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="(%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/loop.json"), help="(%(default)s)")


def run(options: argparse.Namespace) -> None:
    """Measure, print, write."""
    device = torch.device(options.device)
    torch.backends.cudnn.benchmark = True
    recipe = recipe_of(options.backbone, options.size, options.batch, options.precision)
    recipe.check(device=device.type)
    where = device if options.frames_on == "device" else torch.device("cpu")
    frames = random_frames(options.frames, options.frame_size, where, 0)
    parts = parts_of(recipe, options.patch_size, frames, device)
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
