"""A study: methods times seeds on one data set with one recipe; its trainings, and what of it cannot work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate.tracking import get_available_trackers

from reproduction.data.cifar_lt import CifarLT
from reproduction.data.inaturalist import INaturalist2018
from reproduction.data.isic2018 import ISIC2018
from reproduction.data.lesions import Lesions
from reproduction.data.listed import ImageNetLT
from reproduction.data.own import Folder, Table
from reproduction.data.pneumonia import Pneumonia
from reproduction.data.synthetic import Synthetic
from reproduction.data.white_light import WhiteLight
from reproduction.methods.learner import Method
from reproduction.training.describe import describe
from reproduction.training.recipe import Recipe
from reproduction.training.run_folder import RunFolder

AnyData = (
    Synthetic | ISIC2018 | CifarLT | ImageNetLT | INaturalist2018 | Lesions | Pneumonia | WhiteLight | Folder | Table
)


@dataclass(frozen=True)
class Study:
    """What is trained, on what, and where it is kept.

    Args:
        data: the data set and its split.
        recipe: how every method is trained.
        methods: rows of the program's table; default: all.
        seeds: each method is trained once with each.
        test: judge the test side too, once everything is trained. Choose methods and options without it.
        swaps: judge each image on the skin of so many others too; needs ground-truth masks.
        out: a folder for each training under it, OUT/METHOD/seed-S, and the report.
        report_only: train nothing; report what is trained to its end, be it other seeds of each method.
        jobs: trainings side by side, each on one thread.
        fresh: start over where there is a checkpoint.
        device: where to train.
        frames_on: where the images are kept; default: the device if they fit.
        checkpoint_every: steps; and at each epoch's end.
        tracker: any that accelerate knows and that is installed, as tensorboard.
    """

    data: AnyData = field(default_factory=Synthetic)
    recipe: Recipe = field(default_factory=Recipe)
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    test: bool = False
    swaps: int = 0
    out: Path = Path("runs/study")
    report_only: bool = False
    jobs: int = 1
    fresh: bool = False
    device: Literal["cpu", "cuda"] = "cuda" if torch.cuda.is_available() else "cpu"
    frames_on: Literal["device", "host"] | None = None
    checkpoint_every: int = 200
    tracker: str | None = None


@dataclass(frozen=True)
class Planned:
    """One training."""

    name: str
    method: Method
    seed: int
    folder: RunFolder
    first: Path | None  # the folder of the training that this one starts from


def plan(study: Study, rows: Mapping[str, Method]) -> list[Planned]:
    """Every training of the study, those that others start from before them.

    Raises:
        ValueError: a method that the program does not offer.
    """
    names = study.methods or tuple(rows)
    unknown = [name for name in names if name not in rows]
    if unknown:
        raise ValueError(f"methods: expected some of {', '.join(rows)}, got {', '.join(unknown)}")
    known = {method: name for name, method in rows.items()}
    planned: dict[tuple[str, int], Planned] = {}

    def add(name: str, method: Method, seed: int) -> Path:
        path = study.out / name / f"seed-{seed}"
        if (name, seed) not in planned:
            first = method.first
            before = None if first is None else add(known.get(first, f"{name}-first"), first, seed)
            about = {"method": method, "recipe": study.recipe, "data": study.data, "seed": seed}
            planned[name, seed] = Planned(name, method, seed, RunFolder(path, describe_all(about)), before)
        return path

    for seed in dict.fromkeys(study.seeds):
        for name in dict.fromkeys(names):
            add(name, rows[name], seed)
    return list(planned.values())


def describe_all(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Each part as JSON."""
    return {name: describe(part) for name, part in parts.items()}


def refuse(study: Study, runs: Sequence[Planned], processes: int) -> None:
    """Raise ``ValueError`` for whatever can be known to be wrong before any data is read."""
    if study.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: expected cpu, as PyTorch sees no CUDA device, got cuda")
    for name in ("jobs", "checkpoint_every"):
        if getattr(study, name) < 1:
            raise ValueError(f"{name}: expected 1 or more, got {getattr(study, name)}")
    if study.jobs > 1 and processes > 1:
        raise ValueError(f"jobs: expected 1 where {processes} processes train together, got {study.jobs}")
    if not study.seeds:
        raise ValueError("seeds: expected one or more, got none")
    trackers = [str(tracker) for tracker in get_available_trackers()]
    if study.tracker is not None and study.tracker not in trackers:
        raise ValueError(f"tracker: expected an installed one of {', '.join(trackers)}, got {study.tracker!r}")
    study.recipe.check(processes, study.device)
    for run in runs:
        run.method.check(study.recipe, processes)
    started_over = [run.folder.path for run in runs] if study.fresh else []
    for run in runs:
        run.folder.check(study.fresh)
        run.folder.check_seeds(started_over)
