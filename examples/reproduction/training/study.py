"""A study: methods times seeds on one data set with one recipe. Trains what is not trained and resumes the rest."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator, PartialState
from accelerate.tracking import get_available_trackers
from torch import Tensor

from reproduction.data.cifar_lt import CifarLT
from reproduction.data.inaturalist import INaturalist2018
from reproduction.data.isic2018 import ISIC2018
from reproduction.data.lesions import Lesions
from reproduction.data.listed import ImageNetLT
from reproduction.data.maps import with_maps
from reproduction.data.own import Folder, Table
from reproduction.data.skin import on_other_skin
from reproduction.data.synthetic import Synthetic
from reproduction.data.task import Images, Task
from reproduction.data.white_light import WhiteLight
from reproduction.methods.learner import Learner, Method, Setting, Told
from reproduction.training.atomic_files import save_tensors, write_json
from reproduction.training.batches import Batches, seed_of
from reproduction.training.describe import describe
from reproduction.training.loop import Plan, Progress, Training, accelerator_for, judge, synchronised
from reproduction.training.recipe import Recipe
from reproduction.training.run_folder import RunFolder

AnyData = Synthetic | ISIC2018 | CifarLT | ImageNetLT | INaturalist2018 | Lesions | WhiteLight | Folder | Table


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


@dataclass(frozen=True)
class Judged:
    """What a trained method says of a side."""

    name: str
    seed: int
    told: Told = field(repr=False)  # what its learner tells of each image
    side: Images = field(repr=False)
    facts: dict[str, Any] = field(repr=False)  # metrics.json of the training
    swapped: tuple[Tensor, ...] = field(default=(), repr=False)  # logits of the same lesions on other skin

    @property
    def logits(self) -> Tensor:
        """[N, K], of a classifier."""
        return self.told["logits"]


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


def run_study(study: Study, rows: Mapping[str, Method]) -> list[Judged]:
    """Train what is not trained yet, then let every method judge the validation side, or the test side.

    Raises:
        ValueError: a study that cannot be run, or folders that hold another one; before anything is read.
    """
    state = PartialState(cpu=study.device == "cpu")
    runs = plan(study, rows)
    refuse(study, runs, state.num_processes)
    state.wait_for_everyone()  # nobody changes a folder that another process still looks at
    if state.is_main_process:
        for run in runs:
            run.folder.open(study.fresh)
    with state.local_main_process_first():
        prepare(study, runs)
    waves = [[run for run in runs if run.first is None], [run for run in runs if run.first is not None]]
    for wave in waves:
        todo = [run for run in wave if not finished(run)]
        if study.jobs > 1 and len(todo) > 1:
            side_by_side(study, todo)
        else:
            for run in todo:
                train(study, run)
    names = study.methods or tuple(rows)
    judged = judge_all(study, [run for run in runs if run.name in names]) if state.is_main_process else []
    state.wait_for_everyone()
    return judged


def prepare(study: Study, runs: Sequence[Planned]) -> None:
    """Decode the images and compute the maps once, before several processes want them."""
    for seed in dict.fromkeys(run.seed for run in runs if not finished(run)):
        task = study.data.task(study.recipe.frame, seed)
        if task.validation is None and not study.test:
            raise ValueError("data.split: expected one with a validation part, or --test, got neither")
        for source in dict.fromkeys(run.method.maps for run in runs if run.seed == seed and not finished(run)):
            if source is not None:
                with_maps(task.train, source, torch.device(study.device))


def finished(run: Planned) -> bool:
    """Whether it was trained to its end."""
    return (run.folder.path / "metrics.json").exists()


def side_by_side(study: Study, runs: Sequence[Planned]) -> None:
    """Several trainings at once, each in a process of its own on one thread."""
    with ProcessPoolExecutor(study.jobs, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        for done in [pool.submit(train, study, run) for run in runs]:
            done.result()


def train(study: Study, run: Planned) -> None:
    """One training from its beginning or its checkpoint to its metrics.json."""
    main = PartialState(cpu=study.device == "cpu").is_main_process
    alone: AbstractContextManager[None] = run.folder.held() if main else nullcontext()
    with alone:
        _train(study, run)


def _train(study: Study, run: Planned) -> None:
    recipe, folder = study.recipe, run.folder
    task = study.data.task(recipe.frame, run.seed)
    frames = task.train
    if run.method.maps is not None:
        frames = with_maps(frames, run.method.maps, torch.device(study.device))
    learner, setting = built(study, run, task)
    accelerator = accelerator_for(learner, recipe.precision, study.device == "cpu", study.tracker, folder.path / "logs")
    if study.frames_on == "device" or (study.frames_on is None and frames.fit(accelerator.device)):
        frames = frames.to(accelerator.device)
    learner = synchronised(learner, accelerator).to(accelerator.device).to(memory_format=torch.channels_last)
    views = replace(run.method.views or recipe.views, size=recipe.views.size)
    batches = Batches(frames, len(task.classes), views, recipe.batch_size, run.seed, accelerator.device)
    steps = steps_of(run.method, recipe)
    optimizer = (run.method.optimiser or recipe.optimiser).build(learner)

    def validate(judged: Learner) -> float:
        assert task.validation is not None
        told = judge(accelerator, judged, task.validation, recipe.views.size, recipe.batch_size)
        return run.method.score(told, task.validation)

    training = Training(
        accelerator,
        learner,
        optimizer,
        recipe.schedule.build(optimizer, max(steps, 1)),
        batches,
        Plan(steps, setting.epochs, run.seed, recipe.ema, study.checkpoint_every),
        folder,
        None if task.validation is None else validate,
    )
    accelerator.init_trackers("longtail_mix", {name: str(value) for name, value in folder.config.items()})
    if accelerator.is_main_process:
        folder.add_start({"processes": accelerator.num_processes, "device": str(accelerator.device)})
    progress = training.run()
    for open_tracker in accelerator.trackers:
        open_tracker.finish()
    accelerator.wait_for_everyone()  # until the last checkpoint is written
    if accelerator.is_main_process:
        write_json(folder.path / "metrics.json", facts_of(progress, recipe, task, accelerator))
    accelerator.wait_for_everyone()


def built(study: Study, run: Planned, task: Task) -> tuple[Learner, Setting]:
    """The learner with the weights it starts from."""
    recipe = study.recipe
    epochs = max(-(-steps_of(run.method, recipe) // max(len(task.train) // recipe.batch_size, 1)), 1)
    setting = Setting(task.class_counts(), recipe.backbone, recipe.views.size, epochs, recipe.batch_size)
    torch.manual_seed(seed_of(run.seed, "weights"))
    learner = run.method.build(setting)
    if run.first is not None:
        learner.start_from(weights_of(run.first, recipe.keep_best))
    return learner, setting


def steps_of(method: Method, recipe: Recipe) -> int:
    """How many steps a method takes of the budget; one or more unless its share is 0."""
    return max(round(method.share * (recipe.images // recipe.batch_size)), int(method.share > 0))


def weights_of(path: Path, keep_best: bool) -> dict[str, Any]:
    """The state of a trained learner: of its best validation if there was one and it is wanted, else the last."""
    best = path / "best.pt"
    file = best if keep_best and best.exists() else path / "last.pt"
    state = torch.load(file, map_location="cpu", weights_only=True)
    weights: dict[str, Any] = state.get("judged", state["learner"])
    return weights


def facts_of(progress: Progress, recipe: Recipe, task: Task, accelerator: Accelerator) -> dict[str, Any]:
    """What a training was, beside its config and its environment."""
    return {
        "task": task.name,
        "classes": task.classes,
        "training_images": task.class_counts(),
        "steps": progress.step,
        "seconds": progress.seconds,
        "images_per_second": progress.step * recipe.batch_size / max(progress.seconds, 1e-9),
        "processes": accelerator.num_processes,
        "validation": progress.scores,
        "losses": progress.losses,
    }


def judge_all(study: Study, runs: Sequence[Planned]) -> list[Judged]:
    """What every trained method says of the validation or the test side, and of that side on other skin."""
    name = "test" if study.test else "validation"
    judged: dict[Path, Judged] = {}
    for seed in dict.fromkeys(run.seed for run in runs):
        task = study.data.task(study.recipe.frame, seed)
        side = task.test() if study.test else task.validation
        assert side is not None  # or it would have been refused
        sides = {name: lambda side=side: side}
        sides |= {f"{name}-skin-{swap}": cache(partial(on_other_skin, side, swap)) for swap in range(study.swaps)}
        for run in (run for run in runs if run.seed == seed):
            told = {kind: kept_told(study, run, task, load, kind) for kind, load in sides.items()}
            swapped = tuple(told[kind]["logits"] for kind in told if kind != name)
            judged[run.folder.path] = Judged(run.name, seed, told[name], side, run.folder.facts(), swapped)
    return [judged[run.folder.path] for run in runs]


def kept_told(study: Study, run: Planned, task: Task, load: Callable[[], Images], name: str) -> Told:
    """What the trained learner tells of some images; kept beside its weights."""
    path = run.folder.path / f"{name}.pt"
    if path.exists():
        kept = torch.load(path, weights_only=True)
        return {name: value for name, value in kept.items() if name not in ("labels", "groups")}
    side = load()
    learner, _ = built(study, replace(run, first=None), task)
    learner.load_state_dict(weights_of(run.folder.path, study.recipe.keep_best))
    accelerator = accelerator_for(learner, study.recipe.precision, study.device == "cpu")
    learner = learner.to(accelerator.device).to(memory_format=torch.channels_last)
    told = judge(accelerator, learner, side, study.recipe.views.size, study.recipe.batch_size)
    save_tensors(path, {**told, "labels": side.labels, "groups": list(side.groups)})
    return told
